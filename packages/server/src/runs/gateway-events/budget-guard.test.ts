import { BudgetInput } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { prices, request } from "../../usage/fixtures.ts";
import { Budgets, Ledger, type ModelRequest } from "../../usage/index.ts";
import {
  createRecord,
  createRunJournal,
  ignore,
  type RunJournal,
  streamItems,
} from "../journal/fixtures/run-journal.ts";
import { BudgetWaits } from "../maintenance/budget-waits.ts";
import { BudgetGuard } from "./budget-guard.ts";

const { budgets: budgetTable, permissions, runs, tasks, turns } = schema;
const logger = pino({ level: "silent" });
const usage = {
  input_tokens: 100,
  cached_tokens: 0,
  cache_write_tokens: 0,
  long_cache_write_tokens: 0,
  output_tokens: 1_000,
  thinking_tokens: 0,
  exact: true,
};

/** A task whose agent works on a turn and asks models through the guard. */
async function createWork(f: Fixture) {
  const journal = await createRunJournal(f);
  const { task_id, run_id } = journal.lease;
  const ledger = new Ledger({ db: f.pool, serverId: "a", logger, prices });
  const stopped: string[] = [];
  const prompted: string[] = [];
  const guard = new BudgetGuard({ ledger, log: f.log, logger, onStop: (id) => void stopped.push(id) });
  const budgets = new Budgets(f.db, undefined);
  const waits = new BudgetWaits({ log: f.log, budgets, onPrompt: (id) => void prompted.push(id) });
  const { organization_id } = f.owner;
  const source = { runner_id: journal.runnerId, run_id, task_id, organization_id, agent_type: "demo" };
  return {
    journal,
    source,
    guard,
    waits,
    budgets,
    stopped,
    prompted,
    ask: (change: Partial<ModelRequest> = {}) => guard.reserve(source, { ...request, ...change }),
    setBudget: (input: Record<string, unknown>) => budgets.set(f.owner, BudgetInput.parse({ task_id, ...input })),
    getTask: async () => (await f.db.select().from(tasks).where(eq(tasks.id, task_id)))[0]!,
    readLog: async (kind: string) =>
      (await f.log.read(task_id, 0, 1_000)).map(({ data }) => data).filter((data) => data.kind === kind),
  };
}

/** The agent reports the end of its turn. */
const endTurn = (journal: RunJournal, stop_reason: string) =>
  journal
    .reader()
    .follow(
      streamItems([createRecord(journal, 1, { kind: "turn", turn_id: journal.turnId, status: "ended", stop_reason })]),
      ignore,
    );

describe("a refused request", () => {
  test("blocks the task once, until the budget is raised by enough", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.setBudget({ amount_usd: 0.001 });
    for (let i = 0; i < 3; i++) await expect(work.ask()).rejects.toMatchObject({ code: "budget_exhausted" });
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED", blocked_cost: 2_100 });
    expect(await work.readLog("failure")).toMatchObject([
      { code: "budget_exhausted", next: expect.stringContaining(`wharf budget set --task ${work.source.task_id}`) },
    ]);
    expect((await work.readLog("state")).at(-1)).toMatchObject({
      to: "BLOCKED",
      reason: "the budget of $0.001 for this task has no room",
    });
    await work.setBudget({ amount_usd: 0.002 });
    expect(await work.waits.step()).toBe(false);
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED" });
    await work.setBudget({ amount_usd: 0.0021 });
    await work.waits.step();
    // The agent still works on its turn.
    expect(await work.getTask()).toMatchObject({ state: "IN_PROGRESS", blocking_budget_id: null, blocked_cost: null });
    expect(work.prompted).toEqual([]);
    await work.ask();
  });

  test.each(["error", "end_turn"])(
    "keeps the task blocked when its turn ends with %s, and more money continues it",
    async (reason) => {
      await using f = await fixture();
      const work = await createWork(f);
      const { id } = await work.setBudget({ amount_usd: 0 });
      await expect(work.ask()).rejects.toMatchObject({ code: "budget_exhausted" });
      await endTurn(work.journal, reason);
      expect(await work.getTask()).toMatchObject({ state: "BLOCKED" });
      await work.waits.step();
      expect(work.prompted).toEqual([]);
      await work.budgets.remove(f.owner, id);
      // The run of a failed turn takes no prompt until it has ended.
      await work.waits.step();
      if (reason === "error") {
        expect(work.prompted).toEqual([]);
        await f.db.update(runs).set({ status: "FAILED" });
        await work.waits.step();
      }
      expect(work.prompted).toEqual([work.source.task_id]);
      await work.waits.step();
      expect(work.prompted).toHaveLength(1);
      expect(await work.getTask()).toMatchObject({ state: "IN_PROGRESS", blocking_budget_id: null });
      const queued = await f.db.select().from(turns).where(eq(turns.state, "QUEUED"));
      expect(queued).toMatchObject([
        { prompt: expect.stringContaining("continue with the request"), created_by: f.owner.user_id },
      ]);
    },
  );

  test("stops the run if the budget says so, and puts the task up for review", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.setBudget({ amount_usd: 0, action: "stop" });
    for (let i = 0; i < 2; i++) await expect(work.ask()).rejects.toMatchObject({ code: "budget_exhausted" });
    expect(await work.getTask()).toMatchObject({ state: "REVIEW", blocking_budget_id: null });
    expect(await f.db.select().from(runs)).toMatchObject([
      { desired: "STOP", stop_status: "STOPPED", stop_reason: "the budget of $0 for this task has no room" },
    ]);
    expect(work.stopped).toEqual([work.source.task_id]);
    expect(await work.readLog("failure")).toHaveLength(1);
  });

  test("of another budget adds nothing to the log of a task that waits, unless it stops the run", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    const budget = await work.setBudget({ amount_usd: 0.0021 });
    await work.setBudget({ task_id: undefined, amount_usd: 0.001 });
    for (const maxOutputTokens of [1_000, 2_000, 1_000, 2_000])
      await expect(work.ask({ maxOutputTokens })).rejects.toMatchObject({ code: "budget_exhausted" });
    expect(await work.readLog("failure")).toHaveLength(1);
    await work.setBudget({ amount_usd: 0, action: "stop" });
    await expect(work.ask()).rejects.toMatchObject({ context: { budget_id: budget.id } });
    expect(await work.readLog("failure")).toHaveLength(2);
    expect(await work.getTask()).toMatchObject({ state: "REVIEW", blocking_budget_id: null });
  });

  test("of an unknown price blocks the task until the budget is gone or only warns", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.setBudget({ amount_usd: 1 });
    await expect(work.ask({ model: "own" })).rejects.toMatchObject({ code: "budget_needs_price" });
    expect((await work.readLog("state")).at(-1)).toMatchObject({
      reason: expect.stringContaining("the model's price"),
    });
    await work.setBudget({ amount_usd: 1_000 });
    await work.waits.step();
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED", blocked_cost: null });
    await work.setBudget({ amount_usd: 1_000, action: "warn" });
    await work.waits.step();
    expect(await work.getTask()).toMatchObject({ state: "IN_PROGRESS" });
    await work.ask({ model: "own" });
  });

  test("blocks a task that also waits for a permission until both are there", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    const { task_id, run_id } = work.source;
    const { id } = await work.setBudget({ amount_usd: 0 });
    const permission = { kind: "permission", permission_id: "p", title: "may I?" } as const;
    const follow = (seq: number, status: "asked" | "answered") =>
      work.journal
        .reader(seq - 1)
        .follow(streamItems([createRecord(work.journal, seq, { ...permission, status })]), ignore);
    await follow(1, "asked");
    await expect(work.ask()).rejects.toMatchObject({ code: "budget_exhausted" });
    await follow(2, "answered");
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED" });
    await f.db.insert(permissions).values({ task_id, run_id, permission_id: "q" });
    await work.budgets.remove(f.owner, id);
    await work.waits.step();
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED", blocking_budget_id: null });
  });

  test("continues in the next period", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.setBudget({ amount_usd: 0.003, period: "month" });
    await (await work.ask()).settle({ status: 200, durationMs: 1, usage });
    await expect(work.ask()).rejects.toMatchObject({ code: "budget_exhausted" });
    await work.waits.step();
    expect(await work.getTask()).toMatchObject({ state: "BLOCKED" });
    await f.db.update(budgetTable).set({ period_start: new Date("2020-01-01") });
    await work.waits.step();
    expect(await work.getTask()).toMatchObject({ state: "IN_PROGRESS" });
    await work.ask();
  });

  test("of a run that is over changes nothing", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.setBudget({ amount_usd: 0 });
    await f.db.update(runs).set({ status: "STOPPED" });
    await f.db.update(tasks).set({ state: "REVIEW" });
    await expect(work.ask()).rejects.toMatchObject({ code: "budget_exhausted" });
    expect(await work.getTask()).toMatchObject({ state: "REVIEW", blocking_budget_id: null });
  });

  test("lets a prompt of a person try again at once", async () => {
    await using f = await fixture();
    const work = await createWork(f);
    await work.setBudget({ amount_usd: 0 });
    await expect(work.ask()).rejects.toMatchObject({ code: "budget_exhausted" });
    await endTurn(work.journal, "end_turn");
    await f.prompt(await work.getTask());
    expect(await work.getTask()).toMatchObject({ state: "IN_PROGRESS", blocking_budget_id: null });
  });
});

test("a budget warns once in a period, at its share and at its limit", async () => {
  await using f = await fixture();
  const work = await createWork(f);
  await work.setBudget({ amount_usd: 0.005, action: "warn", warn_share: 0.5 });
  const spend = async () => (await work.ask()).settle({ status: 200, durationMs: 1, usage });
  for (let i = 0; i < 8; i++) {
    await spend();
    if (i === 2) await expect.poll(() => work.readLog("notice")).toHaveLength(1);
  }
  await expect.poll(() => work.readLog("notice")).toHaveLength(2);
  await Promise.all([spend(), spend()]);
  expect(await work.readLog("notice")).toMatchObject([
    { message: "Wharf warns that $0.0042 of the budget of $0.005 for this task is spent." },
    { message: expect.stringMatching(/^Wharf warns that the budget of \$0\.005 for this task is used up: \$0\.0/) },
  ]);
  expect(await work.getTask()).toMatchObject({ state: "IN_PROGRESS" });
});
