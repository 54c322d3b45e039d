import { type EventData, WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { createRecord, createRunJournal, ignore, streamItems } from "../journal/fixtures/run-journal.ts";
import type { RunDeps } from "../shared/deps.ts";
import { failRun } from "../shared/end-run.ts";
import { LimitWaits } from "./limit-waits.ts";

const { permissions, runs, tasks, turns } = schema;
const minute = 60_000;
const tenYears = 3_650 * 24 * 60 * minute;

/** A task whose agent works on a turn. */
async function createWork(f: Fixture) {
  const journal = await createRunJournal(f);
  await f.db.update(turns).set({ started_at: new Date(Date.now() - minute) });
  const { task_id, run_id } = journal.lease;
  const prompted: string[] = [];
  const waits = new LimitWaits({ db: f.db, log: f.log, onPrompt: (id) => void prompted.push(id) });
  let seq = 0;
  const report = (...data: EventData[]) => {
    const records = data.map((one) => createRecord(journal, ++seq, one));
    return journal.reader(seq - data.length).follow(streamItems(records), ignore);
  };
  /** The gateway sees that the provider limits a request. */
  const limit = (waitMs: number) => {
    const resetAt = new Date(Date.now() + waitMs).toISOString();
    journal.modelHealth.beginRequest(run_id);
    journal.modelHealth.endRequest(run_id, {
      answered: false,
      fault: { kind: "limited", message: "The model's server returned 429.", next: "Wait.", reset_at: resetAt },
    });
    return resetAt;
  };
  const endTurn = (stop_reason: string) =>
    report({ kind: "turn", turn_id: journal.turnId, status: "ended", stop_reason });
  return {
    f,
    journal,
    task_id,
    prompted,
    waits,
    report,
    limit,
    endTurn,
    async fail(code: string) {
      await report({ kind: "failure", code, message: "it failed" });
      await endTurn("error");
    },
    /** The turn fails because of a limit that resets in ten minutes. */
    async wait() {
      limit(10 * minute);
      await endTurn("end_turn");
    },
    endRun: () => f.db.update(runs).set({ status: "FAILED", stopped_at: new Date() }),
    letReset: () => f.db.update(tasks).set({ resume_at: new Date(Date.now() - 1) }),
    getTask: async () => (await f.db.select().from(tasks).where(eq(tasks.id, task_id)))[0]!,
    getQueuedTurns: () => f.db.select().from(turns).where(eq(turns.state, "QUEUED")),
    readLog: async (kind: string) =>
      (await f.log.read(task_id, 0, 1_000)).map(({ data }) => data).filter((data) => data.kind === kind),
  };
}

describe("a turn that fails because of a provider's limit", () => {
  test.each(["end_turn", "error"])("blocks the task until the limit resets, if it ends with %s", async (reason) => {
    await using f = await fixture();
    const work = await createWork(f);
    const resetAt = work.limit(10 * minute);
    if (reason === "error") await work.fail("agent_refused");
    else await work.endTurn(reason);
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED", resume_at: new Date(resetAt), limit_resumes: 0 });
    expect(await f.db.select().from(runs)).toMatchObject([{ desired: "STOP", stop_status: "FAILED" }]);
    expect((await work.readLog("state")).at(-1)).toMatchObject({
      to: "BLOCKED",
      reason: expect.stringContaining(resetAt),
    });
    expect(await work.readLog("notice")).toMatchObject([
      { message: expect.stringContaining(`wharf task resume ${work.task_id.slice(0, 8)}`) },
    ]);
    await work.endRun();
    await work.waits.step();
    expect(work.prompted).toEqual([]);
  });

  test.each([
    ["a time that is over", -1, { state: "BLOCKED" }],
    ["a second", 1_000, { state: "BLOCKED" }],
    ["ten years", tenYears, { state: "FAILED", resume_at: null }],
  ])("does not trust %s", async (_name, waitMs, expected) => {
    await using f = await fixture();
    const work = await createWork(f);
    work.limit(waitMs);
    await work.endTurn("end_turn");
    const task = await work.getTask();
    expect(task).toMatchObject(expected);
    if (task.resume_at) expect(task.resume_at.getTime()).toBeGreaterThan(task.updated_at.getTime() + minute - 1_000);
  });

  test("is not resumed an eleventh time without a person", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await f.db.update(tasks).set({ limit_resumes: 10 });
    await work.wait();
    expect(await work.getTask()).toMatchObject({ state: "FAILED", resume_at: null });
  });

  test.each(["agent_refused", undefined])("is recognised after a restart by the log (%s)", async (code) => {
    await using f = await fixture();
    const work = await createWork(f);
    const resetAt = new Date(Date.now() + 10 * minute).toISOString();
    const log = (raw: object) =>
      f.log.write((writer) =>
        writer.append(work.task_id, [
          { run_id: work.journal.lease.run_id, data: { kind: "usage", source: "gateway", raw } },
        ]),
      );
    await log({ call: { kind: "answer" }, answered: false, status: 429, reset_at: resetAt });
    await log({ call: { kind: "count" }, answered: true, status: 200 });
    // The agent cannot claim an end of the limit.
    await work.report({ kind: "usage", source: "agent", raw: { call: { kind: "answer" }, status: 200 } });
    if (code === undefined) {
      await f.db.execute("update events set data = jsonb_set(data, '{raw,answered}', 'false') where kind = 'usage'");
      await work.endTurn("end_turn");
    } else await work.fail(code);
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED", resume_at: new Date(resetAt) });
  });
});

describe("a turn that fails for another reason", () => {
  test.each([
    [
      "a model answered afterwards",
      "agent_refused",
      async ({ journal }: Work) => {
        journal.modelHealth.beginRequest(journal.lease.run_id);
        journal.modelHealth.endRequest(journal.lease.run_id, { answered: true });
      },
    ],
    ["the agent had no memory", "agent_out_of_memory", async () => undefined],
    [
      "the limit was over before the turn",
      "agent_exited",
      async ({ f, limit }: Work) => {
        limit(-minute);
        await f.db.update(turns).set({ started_at: new Date() });
      },
    ],
    [
      "a person cancels it",
      "agent_refused",
      async ({ f }: Work) => {
        await f.db.update(turns).set({ cancel_asked: true });
      },
    ],
  ])("is not resumed: %s", async (_name, code, prepare) => {
    await using f = await fixture();
    const work = await createWork(f);
    work.limit(minute);
    await prepare(work);
    await work.fail(code);
    expect(await work.getTask()).toMatchObject({ state: "FAILED", resume_at: null });
  });
});

type Work = Awaited<ReturnType<typeof createWork>>;

describe("a task whose limit has reset", () => {
  test("is resumed once, also by several servers at once", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.wait();
    await work.endRun();
    await work.letReset();
    const others = Array.from(
      { length: 4 },
      () => new LimitWaits({ db: f.db, log: f.log, onPrompt: (id) => void work.prompted.push(id) }),
    );
    await Promise.all([work.waits, ...others].map((waits) => waits.step()));
    await work.waits.step();
    expect(work.prompted).toEqual([work.task_id]);
    expect(await work.getTask()).toMatchObject({ state: "IN_PROGRESS", resume_at: null, limit_resumes: 1 });
    expect(await work.getQueuedTurns()).toMatchObject([
      { prompt: expect.stringContaining("continue with the request"), created_by: f.owner.user_id },
    ]);
  });

  test("is resumed when its run has ended, whatever else ends the run", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.wait();
    await work.letReset();
    await work.waits.step();
    expect(work.prompted).toEqual([]);
    const deps = { log: f.log, logger: pino({ level: "silent" }) } as unknown as RunDeps;
    await failRun(deps, work.journal.lease, new WharfError("agent_exited", { exit: "with code 1" }));
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED" });
    await work.waits.step();
    expect(work.prompted).toEqual([work.task_id]);
  });

  test("waits for a person if the person who prompted it is gone", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.wait();
    await work.endRun();
    await f.db.update(turns).set({ created_by: null });
    await work.letReset();
    for (let i = 0; i < 2; i++) await work.waits.step();
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED", resume_at: null });
    expect(await work.readLog("notice")).toHaveLength(2);
    expect(work.prompted).toEqual([]);
  });
});

describe("a task that waits for a reset", () => {
  test("does not continue when a question of its ended turn is closed", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    const question = { kind: "permission", permission_id: "p", title: "may I?" } as const;
    await work.report({ ...question, status: "asked" });
    await work.wait();
    await work.report({ ...question, status: "cancelled" });
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED", resume_at: expect.any(Date) });
    expect(await f.db.select().from(permissions)).toMatchObject([{ state: "CLOSED" }]);
  });

  test.each([
    ["resumes it", (f: Fixture, id: string) => f.commands.resume(id, { by: f.owner.user_id }), "IN_PROGRESS", 1],
    ["prompts it", (f: Fixture, id: string) => f.prompt({ id } as never), "IN_PROGRESS", 1],
    ["stops it", (f: Fixture, id: string) => f.commands.stop(id, "REVIEW", { by: f.owner.user_id }), "REVIEW", 0],
    [
      "cancels it",
      (f: Fixture, id: string) => f.commands.stop(id, "CANCELLED", { by: f.owner.user_id }),
      "CANCELLED",
      0,
    ],
  ])("is not resumed later if a person %s", async (_name, act, state, prompts) => {
    await using f = await fixture();
    const work = await createWork(f);
    await f.db.update(tasks).set({ limit_resumes: 5 });
    await work.wait();
    // The command waits for the run to end, as far as it needs another one.
    const acting = act(f, work.task_id);
    await work.endRun();
    await acting;
    const acted = await work.getTask();
    expect(acted).toMatchObject({ state, resume_at: null });
    if (prompts > 0) expect(acted.limit_resumes).toBe(0);
    await work.waits.step();
    expect(await work.getQueuedTurns()).toHaveLength(prompts);
    expect(work.prompted).toEqual([]);
  });
});
