import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import {
  createRecord,
  createRunJournal,
  createText,
  ignore,
  type RunJournal,
  streamItems,
} from "./fixtures/run-journal.ts";

const { runs, tasks, turns } = schema;

describe("a turn in which the agent's model failed", () => {
  const fault = {
    kind: "limited",
    message: "The model's server returned 429 (too many requests).",
    next: "Wait.",
    // Too late for Wharf to wait for.
    reset_at: "2100-01-01T00:00:00.000Z",
  } as const;
  const ended = (s: RunJournal, seq: number, stop_reason = "end_turn") =>
    createRecord(s, seq, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason });
  const ask = (s: RunJournal, outcome: { answered: boolean; fault?: typeof fault }) => {
    s.modelHealth.beginRequest(s.lease.run_id);
    s.modelHealth.endRequest(s.lease.run_id, outcome);
  };
  async function begin(f: Fixture): Promise<RunJournal> {
    const s = await createRunJournal(f);
    await f.db.update(turns).set({ started_at: new Date(Date.now() - 1_000) });
    return s;
  }
  const read = async (s: RunJournal) => {
    const [task] = await s.f.db.select().from(tasks);
    const [run] = await s.f.db.select().from(runs);
    const log = await s.f.log.read(s.lease.task_id, 0, 5_000);
    return { task, run, data: log.map((event) => event.data) };
  };

  /** Logs a request that a server's gateway forwarded. */
  const answer = (s: RunJournal, timestamp: Date) => {
    const use = { kind: "usage", source: "gateway", model_requests: 1, raw: { answered: true } } as const;
    return s.f.log.write((writer) =>
      writer.append(s.lease.task_id, [{ run_id: s.lease.run_id, data: use, timestamp }]),
    );
  };

  test("fails with the last fault and a next step, although the agent ends it normally", async () => {
    await using f = await fixture();
    const s = await begin(f);
    ask(s, { answered: false, fault });
    await s.reader().follow(streamItems([createText(s, 1), ended(s, 2)]), ignore);
    const { task, run, data } = await read(s);
    const reason = "No model answered in this turn. The model's server returned 429 (too many requests).";
    expect(task).toMatchObject({ state: "FAILED" });
    expect(run).toMatchObject({ desired: "STOP", stop_status: "FAILED", error_code: "agent_model_failed" });
    const { reset_at } = fault;
    const failure = { kind: "failure", code: "agent_model_failed", message: reason, next: "Wait.", reset_at };
    expect(data).toContainEqual(failure);
    expect(data).toContainEqual({ kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "error", reason });
    expect(data.findIndex(({ kind }) => kind === "failure")).toBeLessThan(
      data.findIndex((one) => one.kind === "turn" && one.status === "ended"),
    );
  });

  test.each([
    ["the agent asked no model", async () => undefined],
    [
      "one request succeeded",
      async (s: RunJournal) => {
        ask(s, { answered: true });
        ask(s, { answered: false, fault });
      },
    ],
    [
      "one is still open",
      async (s: RunJournal) => {
        ask(s, { answered: false, fault });
        s.modelHealth.beginRequest(s.lease.run_id);
      },
    ],
    [
      "another server saw one succeed",
      async (s: RunJournal) => {
        ask(s, { answered: false, fault });
        await answer(s, new Date());
      },
    ],
    [
      "another server with a slow clock saw one succeed",
      async (s: RunJournal) => {
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
    const claim = createRecord(s, 2, { kind: "usage", source: "agent", raw: { answered: true } });
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
        .follow(
          streamItems([createRecord(s, 1, refused), createRecord(s, 2, uncommitted), ended(s, 3, "error")]),
          ignore,
        );
      const { data } = await read(s);
      const nexts = data.flatMap((one) => (one.kind === "failure" ? [one.next] : []));
      expect(nexts[0] === "Wait.").toBe(isKnown);
      expect(nexts).toHaveLength(2);
      expect(nexts.join()).not.toContain("key");
      expect(nexts[1]).toBe(
        "Fix the problem that git reports, then try again; `wharf task logs <task>` shows what happened before.",
      );
    }
  });
});
