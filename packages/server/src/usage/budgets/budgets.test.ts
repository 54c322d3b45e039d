import { randomUUID } from "node:crypto";
import { BudgetInput } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { openDatabase, schema } from "../../store/index.ts";
import { prices, request } from "../fixtures.ts";
import type { LedgerDatabase } from "../ledger/ledger-database.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { TokenUsage } from "../token-usage.ts";
import { Budgets } from "./budgets.ts";

const { budgets: budgetTable, model_requests, model_reservations } = schema;
const logger = pino({ level: "silent" });
const maxCost = 2_100;
/** Costs 170 micro-USD. */
const usage: TokenUsage = {
  input_tokens: 70,
  cached_tokens: 0,
  cache_write_tokens: 0,
  long_cache_write_tokens: 0,
  output_tokens: 50,
  thinking_tokens: 0,
  exact: true,
};
const outcome = { status: 200, durationMs: 1, usage };

const openLedger = (db: LedgerDatabase, options: { serverId?: string; taskBudget?: number } = {}) =>
  new Ledger({ db, serverId: "a", logger, prices, ...options });

const createSource = (f: Fixture, task_id?: string) => ({
  runner_id: randomUUID(),
  run_id: randomUUID(),
  organization_id: f.owner.organization_id,
  ...(task_id !== undefined && { task_id }),
});
const setBudget = (f: Fixture, input: Record<string, unknown>) =>
  new Budgets(f.db, undefined).set(f.owner, BudgetInput.parse(input));
const listBudgets = async (f: Fixture) => (await new Budgets(f.db, undefined).list(f.owner, { limit: 100 })).rows;

/** Compares what the budgets count with the ledger: nothing may be lost or counted twice. */
async function expectTrueCounts(f: Fixture): Promise<void> {
  const { rows } = await f.db.execute(sql`
    select budgets.*, open.reserved as open, settled.spent as settled from budgets, lateral (
      select coalesce(sum(reserved_cost), 0) as reserved from model_reservations
      where budgets.target_id in (task_id, board_id, user_id, organization_id) and reserved_at >= period_start
    ) open, lateral (
      select coalesce(sum(cost), 0) as spent from model_requests
      where budgets.target_id in (task_id, board_id, user_id, organization_id) and reserved_at >= period_start
    ) settled
    where budgets.reserved <> open.reserved or budgets.spent <> settled.spent`);
  expect(rows).toEqual([]);
}

describe("requests at once, from two servers,", () => {
  test("never exceed a budget, and as many as fit are forwarded", async () => {
    await using f = await fixture();
    const other = openDatabase(f.connection, () => undefined);
    try {
      await using first = openLedger(f.pool, { serverId: "a" });
      await using second = openLedger(other.ledgerPool, { serverId: "b" });
      // Room for 40 requests, and one micro-USD less than for 41.
      const { id } = await setBudget(f, { amount_usd: (41 * maxCost - 1) / 1e6 });
      const board = await setBudget(f, { amount_usd: 1, board_id: f.owner.default_board_id });
      const task = await f.newTask();
      const results = await Promise.allSettled(
        Array.from({ length: 100 }, (_, i) =>
          (i % 2 === 0 ? first : second).reserve(createSource(f, task.id), { ...request, requestId: `r-${i}` }),
        ),
      );
      const reservations = results.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      const errors = results.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
      expect(reservations).toHaveLength(40);
      for (const error of errors)
        expect(error).toMatchObject({ code: "budget_exhausted", context: { budget_id: id, scope: "organization" } });
      const [organizationRow, boardRow] = await listBudgets(f).then((all) => [
        all.find((one) => one.id === id),
        all.find((one) => one.id === board.id),
      ]);
      expect([organizationRow?.reserved_usd, boardRow?.reserved_usd]).toEqual([0.084, 0.084]);
      await expectTrueCounts(f);
      await Promise.all(reservations.map((one) => one.settle(outcome)));
      expect(await listBudgets(f)).toMatchObject([
        { spent_usd: 0.0068, reserved_usd: 0 },
        { spent_usd: 0.0068, reserved_usd: 0 },
      ]);
      await expectTrueCounts(f);
    } finally {
      await other.close();
    }
  });

  test("need one statement while there is room for all, and are judged one by one when there is not", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (const period of ["total", "day", "month"])
      await setBudget(f, { task_id: task.id, period, amount_usd: (11 * maxCost) / 1e6 });
    const statements: string[] = [];
    const pool: LedgerDatabase = new Proxy(f.pool, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...parameters: unknown[]) => {
          statements.push(String(name));
          return Reflect.apply(value, target, parameters) as unknown;
        };
      },
    });
    await using ledger = openLedger(pool);
    const reserve = () => ledger.reserve(createSource(f, task.id), request);
    await Promise.all(Array.from({ length: 8 }, reserve));
    // The first one is written at once, and so is the second; the others wait for one of them.
    expect(statements).toEqual(["query", "query", "query"]);
    await expectTrueCounts(f);
    const results = await Promise.allSettled(Array.from({ length: 8 }, reserve));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    for (const { reserved_usd } of await listBudgets(f)) expect(reserved_usd).toBe((11 * maxCost) / 1e6);
    await expectTrueCounts(f);
  });

  test("are counted truly while others end, budgets come and go, and servers are gone", async () => {
    await using f = await fixture();
    const other = openDatabase(f.connection, () => undefined);
    try {
      await using first = openLedger(f.pool, { serverId: "a" });
      await using second = openLedger(other.ledgerPool, { serverId: "b", taskBudget: 50_000 });
      const sources = await Promise.all([0, 1, 2].map(async () => createSource(f, (await f.newTask()).id)));
      const budgets = new Budgets(f.db, undefined);
      // Several remove and set the same budget.
      const ignoreRemoved = (error: unknown) => expect(error).toMatchObject({ code: "budget_not_found" });
      const work = Array.from({ length: 300 }, async (_, i) => {
        const reserve = () => (i % 2 === 0 ? first : second).reserve(sources[i % 3]!, request);
        if (i % 20 === 7)
          await setBudget(f, { amount_usd: 0.05, period: i % 40 === 7 ? "total" : "day" }).catch(ignoreRemoved);
        if (i % 60 === 19)
          for (const { id } of await listBudgets(f)) await budgets.remove(f.owner, id).catch(ignoreRemoved);
        // Some are refused, and some are left open.
        const reservation = await reserve().catch((error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching(/^budget_/) });
        });
        if (reservation && i % 7 !== 0) await reservation.settle(outcome);
      });
      await Promise.all(work);
      await setBudget(f, { amount_usd: 0.05 });
      await expectTrueCounts(f);
      await using restarted = openLedger(f.pool, { serverId: "a" });
      await restarted.settleFormer();
      await using restartedOther = openLedger(f.pool, { serverId: "b" });
      await restartedOther.settleFormer();
      expect(await f.db.select().from(model_reservations)).toEqual([]);
      await expectTrueCounts(f);
    } finally {
      await other.close();
    }
  });
});

describe("a budget", () => {
  test("counts what a request cost, also if that is more than was set aside", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    await setBudget(f, { amount_usd: 0.003 });
    const reservation = await ledger.reserve(createSource(f), request);
    await reservation.settle({ ...outcome, usage: { ...usage, output_tokens: 10_000 } });
    expect(await listBudgets(f)).toMatchObject([{ spent_usd: 0.02007, reserved_usd: 0 }]);
    await expect(ledger.reserve(createSource(f), request)).rejects.toMatchObject({ code: "budget_exhausted" });
  });

  test("keeps what a dead server set aside, and counts it once as spent", async () => {
    await using f = await fixture();
    const dead = openLedger(f.pool);
    await setBudget(f, { amount_usd: 0.003 });
    const lost = await dead.reserve(createSource(f), request);
    await using other = openLedger(f.pool, { serverId: "b" });
    await expect(other.reserve(createSource(f), request)).rejects.toMatchObject({ code: "budget_exhausted" });
    await using restarted = openLedger(f.pool);
    await Promise.all([restarted.settleFormer(), restarted.settleFormer()]);
    await lost.settle(outcome);
    expect(await listBudgets(f)).toMatchObject([{ spent_usd: 0.0021, reserved_usd: 0 }]);
    await expectTrueCounts(f);
  });

  test("counts what was spent and is open before it is set", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const task = await f.newTask();
    const source = createSource(f, task.id);
    await (await ledger.reserve(source, request)).settle(outcome);
    const open = await ledger.reserve(source, request);
    const { user_id } = f.owner;
    for (const target of [{}, { task_id: task.id }, { board_id: task.board_id }, { user: user_id }])
      for (const period of ["total", "day", "month"]) await setBudget(f, { ...target, period, amount_usd: 1 });
    const before = await listBudgets(f);
    expect(before).toHaveLength(12);
    for (const budget of before) expect(budget).toMatchObject({ spent_usd: 0.00017, reserved_usd: 0.0021 });
    await open.settle(outcome);
    for (const budget of await listBudgets(f)) expect(budget).toMatchObject({ spent_usd: 0.00034, reserved_usd: 0 });
  });

  test("limits only the requests of its task, board or user", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const [task, other] = [await f.newTask(), await f.newTask()];
    const budget = await setBudget(f, { task_id: task.id, amount_usd: 0 });
    await expect(ledger.reserve(createSource(f, task.id), request)).rejects.toMatchObject({
      message: expect.stringContaining("the budget of $0 for this task has no room"),
    });
    await ledger.reserve(createSource(f, other.id), request);
    await ledger.reserve({ ...createSource(f), organization_id: randomUUID() }, request);
    await new Budgets(f.db, undefined).remove(f.owner, budget.id);
    await ledger.reserve(createSource(f, task.id), request);
    await setBudget(f, { user: "owner", amount_usd: 0 });
    await expect(ledger.reserve(createSource(f, other.id), request)).rejects.toMatchObject({
      context: { scope: "user", target_id: f.owner.user_id },
    });
    await ledger.reserve(createSource(f), request);
  });

  test("has room again in the next period, and the end of an earlier request does not count in it", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const { id } = await setBudget(f, { period: "day", amount_usd: 0.003 });
    const early = await ledger.reserve(createSource(f), request);
    await expect(ledger.reserve(createSource(f), request)).rejects.toMatchObject({ code: "budget_exhausted" });
    // As it would be on the next day.
    const dayBefore = sql`period_start - interval '1 day'`;
    await f.db.update(budgetTable).set({ period_start: dayBefore, is_warned: true }).where(eq(budgetTable.id, id));
    await f.db.update(model_reservations).set({ reserved_at: sql`reserved_at - interval '1 day'` });
    expect(await listBudgets(f)).toMatchObject([{ reserved_usd: 0, spent_usd: 0 }]);
    const late = await ledger.reserve(createSource(f), request);
    await Promise.all([early.settle(outcome), late.settle(outcome)]);
    expect(await listBudgets(f)).toMatchObject([{ reserved_usd: 0, spent_usd: 0.00017 }]);
    expect(await f.db.select().from(budgetTable)).toMatchObject([{ is_warned: false }]);
    await expectTrueCounts(f);
  });

  test("refuses models without a known price, unless it only warns", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    await setBudget(f, { amount_usd: 1 });
    const unknown = { ...request, model: "own" };
    for (const model of ["own", undefined])
      await expect(ledger.reserve(createSource(f), { ...request, model })).rejects.toMatchObject({
        code: "budget_needs_price",
        status: 402,
        next: expect.stringContaining("WHARF_PRICES"),
      });
    await setBudget(f, { amount_usd: 1, action: "warn" });
    await (await ledger.reserve(createSource(f), unknown)).settle(outcome);
    expect(await f.db.select().from(model_requests)).toMatchObject([{ cost: null }]);
    await expectTrueCounts(f);
  });

  test("reports its warning with the requests after its share is spent", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const { id } = await setBudget(f, { amount_usd: 0.0003, action: "warn", warn_share: 0.5 });
    const kinds: string[][] = [];
    for (let i = 0; i < 3; i++) {
      const { alerts, settle } = await ledger.reserve(createSource(f), request);
      kinds.push(alerts.map(({ kind }) => kind));
      await settle(outcome);
    }
    expect(kinds).toEqual([[], ["warning"], ["limit"]]);
    await f.db.update(budgetTable).set({ is_limit_reported: true }).where(eq(budgetTable.id, id));
    expect((await ledger.reserve(createSource(f), request)).alerts).toEqual([]);
  });
});

test("the setting's budget is for tasks without their own, and counts what they spent before", async () => {
  await using f = await fixture();
  await using unlimited = openLedger(f.pool);
  await using ledger = openLedger(f.pool, { taskBudget: 2_200 });
  const budgets = new Budgets(f.db, 2_200);
  const task = await f.newTask();
  const source = createSource(f, task.id);
  await (await unlimited.reserve(source, request)).settle(outcome);
  await expect(ledger.reserve(source, request)).rejects.toMatchObject({ context: { amount_usd: 0.0022 } });
  expect((await budgets.list(f.owner, { task, limit: 10 })).rows).toMatchObject([
    { source: "setting", spent_usd: 0.00017 },
  ]);
  expect(await budgets.list(f.owner, { limit: 10 })).toEqual({ rows: [] });
  await unlimited.reserve(source, request);
  await setBudget(f, { task_id: task.id, period: "day", amount_usd: 1 });
  await ledger.reserve(source, request);
  expect((await budgets.list(f.owner, { task, limit: 10 })).rows).toMatchObject([{ source: "person", period: "day" }]);
  await setBudget(f, { task_id: task.id, amount_usd: 0.001 });
  await expect(ledger.reserve(source, request)).rejects.toMatchObject({ context: { period: "total" } });
  for (const { id } of (await budgets.list(f.owner, { task, limit: 10 })).rows) await budgets.remove(f.owner, id);
  await expect(ledger.reserve(source, request)).rejects.toMatchObject({ context: { amount_usd: 0.0022 } });
  await ledger.reserve(createSource(f), request);
  await expectTrueCounts(f);
});

test("budgets belong to an organization", async () => {
  await using f = await fixture();
  const { id } = await setBudget(f, { amount_usd: 1 });
  const stranger = { ...f.owner, organization_id: randomUUID() };
  const budgets = new Budgets(f.db, undefined);
  expect(await budgets.list(stranger, { limit: 10 })).toEqual({ rows: [] });
  await expect(budgets.remove(stranger, id)).rejects.toMatchObject({ code: "budget_not_found" });
  await expect(budgets.set(stranger, BudgetInput.parse({ user: "owner", amount_usd: 1 }))).rejects.toMatchObject({
    code: "budget_user_not_found",
  });
});

test.each([-1, 1e10, 0.0000001, Number.NaN, Infinity])("%s is no amount of a budget", (amount_usd) => {
  expect(BudgetInput.safeParse({ amount_usd }).success).toBe(false);
});
