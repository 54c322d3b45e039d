import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { openDatabase, schema } from "../../store/index.ts";
import { prices, request } from "../fixtures.ts";
import type { TokenUsage } from "../token-usage.ts";
import { AbandonedRequests } from "./abandoned-requests.ts";
import type { LedgerDatabase } from "./ledger-database.ts";
import { Ledger } from "./ledger.ts";
import { OldRequests } from "./old-requests.ts";

const { model_requests, model_reservations, runners, runs, servers, turns, usage_hours } = schema;
const logger = pino({ level: "silent" });

const openLedger = (db: LedgerDatabase, serverId = "a") => new Ledger({ db, serverId, logger, prices });

const usage: TokenUsage = {
  input_tokens: 70,
  cached_tokens: 20,
  cache_write_tokens: 10,
  long_cache_write_tokens: 4,
  output_tokens: 50,
  thinking_tokens: 5,
  exact: true,
};
const createSource = () => ({ runner_id: randomUUID(), run_id: randomUUID() });

/** A task with a run, a runner and a running turn. */
async function createRun(f: Fixture) {
  const task = await f.newTask();
  const [runner_id, run_id, turn_id] = [randomUUID(), randomUUID(), randomUUID()];
  const { id: task_id, board_id } = task;
  await f.db.insert(runners).values({ id: runner_id, backend: "mock", tier: "large", board_id });
  await f.db.insert(runs).values({ id: run_id, task_id, board_id, runner_id, agent_type: "demo", status: "RUNNING" });
  await f.db
    .insert(turns)
    .values({ id: turn_id, task_id, run_id, state: "RUNNING", prompt: "go", created_by: f.owner.user_id });
  const { organization_id } = f.owner;
  return { source: { runner_id, run_id, task_id, organization_id, agent_type: "demo" }, turn_id, board_id };
}

const listHours = (f: Fixture) => f.db.select().from(usage_hours);
const listRequests = (f: Fixture) => f.db.select().from(model_requests).orderBy(model_requests.request_id);
const listReservations = (f: Fixture) => f.db.select().from(model_reservations);

describe("a request for a model", () => {
  test("is in the database before it is forwarded, with its turn, board and user, and in the ledger afterwards", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const { source, turn_id, board_id } = await createRun(f);
    const { user_id } = f.owner;
    const reservation = await ledger.reserve(source, request);
    const known = {
      ...source,
      turn_id,
      board_id,
      user_id,
      tier: "large",
      route: "main",
      model: "m",
      request_id: request.requestId,
    };
    const reserved = { reserved_input_tokens: 100, reserved_output_tokens: 1_000, reserved_cost: 2_100 };
    expect(await listReservations(f)).toMatchObject([{ ...known, ...reserved, server_id: "a" }]);
    await reservation.settle({ status: 200, durationMs: 12.4, usage });
    expect(await listReservations(f)).toEqual([]);
    const { exact: _, ...counts } = usage;
    expect(await listRequests(f)).toMatchObject([
      {
        ...known,
        ...reserved,
        ...counts,
        cost: 170,
        price_version: expect.stringMatching(/^[0-9a-f]{12}$/),
        status: 200,
        duration_ms: 12,
        estimated: false,
      },
    ]);
    expect(await listHours(f)).toMatchObject([
      { run_id: source.run_id, turn_id, ...counts, cost: 170, requests: 1, failed_requests: 0, unpriced_requests: 0 },
    ]);
  });

  test("counts for the owner of a runner without a task, and with no price it has no cost", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const id = randomUUID();
    const { user_id: owner_id, organization_id } = f.owner;
    await f.db.insert(runners).values({ id, backend: "mock", tier: "small", owner_id, organization_id });
    const source = { runner_id: id, run_id: id };
    const reservation = await ledger.reserve(source, { ...request, model: "unknown" });
    await reservation.settle({ status: 200, durationMs: 1, usage });
    expect(await listRequests(f)).toMatchObject([
      { user_id: owner_id, organization_id, task_id: null, turn_id: null, cost: null, price_version: null },
    ]);
    expect(await listHours(f)).toMatchObject([{ unpriced_requests: 1, cost: 0, output_tokens: 50 }]);
  });

  test("is settled once, however often its end is reported", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const reservation = await ledger.reserve(createSource(), request);
    await Promise.all([1, 2, 3].map((durationMs) => reservation.settle({ status: 200, durationMs, usage })));
    expect(await listRequests(f)).toMatchObject([{ duration_ms: 1 }]);
    expect(await listHours(f)).toMatchObject([{ requests: 1 }]);
  });

  test("that the relay repeats counts twice", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const source = createSource();
    for (let i = 0; i < 2; i++) {
      const reservation = await ledger.reserve(source, request);
      await reservation.settle({ status: 200, durationMs: 1, usage });
    }
    expect(await listRequests(f)).toMatchObject([{ request_id: request.requestId }, { request_id: request.requestId }]);
    expect(await listHours(f)).toMatchObject([{ requests: 2, input_tokens: 140 }]);
  });

  test("without an answer costs nothing, and one with estimated counts is marked", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const source = createSource();
    const failed = await ledger.reserve(source, { ...request, model: "unknown" });
    await failed.settle({ status: 503, durationMs: 1, usage: undefined });
    const cut = await ledger.reserve(source, { ...request, requestId: "r-2" });
    await cut.settle({ status: 200, durationMs: 1, usage: { ...usage, exact: false } });
    expect(await listRequests(f)).toMatchObject([
      { status: 503, cost: 0, input_tokens: 0, estimated: false },
      { status: 200, cost: 170, estimated: true },
    ]);
    const hours = (await listHours(f)).toSorted((a, b) => a.cost - b.cost);
    expect(hours).toMatchObject([
      { failed_requests: 1, estimated_requests: 0, unpriced_requests: 0 },
      { failed_requests: 0, estimated_requests: 1 },
    ]);
  });

  test("may have any name and any counts", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const model = `\0\ud800${"x".repeat(100_000)}`;
    const odd = {
      ...usage,
      input_tokens: Infinity,
      output_tokens: -7,
      cached_tokens: Number.NaN,
      implausible: "\0odd",
    };
    const reservation = await ledger.reserve(createSource(), { ...request, model, maxOutputTokens: 1e300 });
    await reservation.settle({ status: 200, durationMs: 1, usage: odd });
    const [row] = await listRequests(f);
    expect(row).toMatchObject({ input_tokens: 1e9, output_tokens: 0, cached_tokens: 0, implausible: "odd" });
    expect(row!.model!.length).toBeLessThanOrEqual(200);
  });

  test("does not change in the ledger", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    await (await ledger.reserve(createSource(), request)).settle({ status: 200, durationMs: 1, usage });
    const change = f.db.update(model_requests).set({ cost: 0 });
    await expect(change).rejects.toMatchObject({ cause: { message: "rows of the ledger do not change" } });
  });
});

describe("many requests at once", () => {
  test("from two servers are all counted, each once", async () => {
    await using f = await fixture();
    await using first = openLedger(f.pool, "a");
    await using second = openLedger(f.pool, "b");
    const sources = Array.from({ length: 5 }, createSource);
    const work = Array.from({ length: 1_000 }, async (_, i) => {
      const ledger = i % 2 === 0 ? first : second;
      const reservation = await ledger.reserve(sources[i % sources.length]!, { ...request, requestId: `r-${i}` });
      await reservation.settle({ status: 200, durationMs: 1, usage });
    });
    await Promise.all(work);
    expect(new Set((await listRequests(f)).map(({ request_id }) => request_id)).size).toBe(1_000);
    const hours = await listHours(f);
    expect(hours.reduce((sum, row) => sum + row.requests, 0)).toBe(1_000);
    expect(hours.reduce((sum, row) => sum + row.cost, 0)).toBe(170_000);
    expect(await listReservations(f)).toEqual([]);
  });
});

describe("what a dead server did not settle", () => {
  test("counts with its estimate when the same server starts again, but not what it does now", async () => {
    await using f = await fixture();
    const dead = openLedger(f.pool);
    const lost = await dead.reserve(createSource(), request);
    await using ledger = openLedger(f.pool);
    const present = await ledger.reserve(createSource(), { ...request, requestId: "r-2" });
    await using other = openLedger(f.pool, "b");
    await other.reserve(createSource(), { ...request, requestId: "r-3" });
    await Promise.all([ledger.settleFormer(), ledger.settleFormer()]);
    await present.settle({ status: 200, durationMs: 1, usage });
    expect(await listRequests(f)).toMatchObject([
      {
        request_id: request.requestId,
        estimated: true,
        input_tokens: 100,
        output_tokens: 1_000,
        cost: 2_100,
        status: 0,
      },
      { request_id: "r-2", estimated: false, cost: 170 },
    ]);
    expect(await listReservations(f)).toMatchObject([{ request_id: "r-3" }]);
    await lost.settle({ status: 200, durationMs: 1, usage });
    expect(await listRequests(f)).toHaveLength(2);
    expect((await listHours(f)).reduce((sum, row) => sum + row.requests, 0)).toBe(2);
  });

  test("counts with its estimate once the server has been silent for a while", async () => {
    await using f = await fixture();
    await using alive = openLedger(f.pool, "alive");
    await using dead = openLedger(f.pool, "dead");
    await using unknown = openLedger(f.pool, "unknown");
    const ledgers = { alive, dead, unknown };
    for (const [requestId, ledger] of Object.entries(ledgers))
      await ledger.reserve(createSource(), { ...request, requestId });
    const silent = sql`now() - interval '3 minutes'`;
    await f.db.insert(servers).values([
      { id: "alive", address: "x", place: "here" },
      { id: "dead", address: "y", place: "here", seen_at: silent },
    ]);
    const job = new AbandonedRequests(f.pool);
    expect(await job.step()).toBe(false);
    expect(await listRequests(f)).toEqual([]);
    await f.db.update(model_reservations).set({ reserved_at: silent });
    expect(await job.step()).toBe(false);
    expect((await listRequests(f)).map(({ request_id }) => request_id)).toEqual(["dead", "unknown"]);
    await f.db.delete(servers).where(eq(servers.id, "alive"));
    expect(await Promise.all([job.step(), job.step()])).toEqual([false, false]);
    expect((await listHours(f)).map(({ requests, estimated_requests }) => [requests, estimated_requests])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });
});

test("each connection of the ledger plans its statements once, before the first request", async () => {
  await using f = await fixture();
  const { ledgerPool, close } = openDatabase(f.connection, () => undefined);
  await using store = { ledgerPool, [Symbol.asyncDispose]: close };
  await using ledger = openLedger(store.ledgerPool);
  await ledger.prepare();
  expect(store.ledgerPool).toMatchObject({ totalCount: 4, idleCount: 4, options: { idleTimeoutMillis: 0 } });
  const reservation = await ledger.reserve(createSource(), request);
  await reservation.settle({ status: 200, durationMs: 1, usage });
  const clients = await Promise.all(Array.from({ length: 4 }, () => store.ledgerPool.connect()));
  const plans = await Promise.all(
    clients.map((client) => client.query("select name, custom_plans from pg_prepared_statements order by name")),
  );
  for (const client of clients) client.release();
  const planned = [
    { name: "reserve_requests", custom_plans: "0" },
    { name: "settle_requests", custom_plans: "0" },
  ];
  expect(plans.map(({ rows }) => rows)).toEqual([planned, planned, planned, planned]);
});

describe("without a database", () => {
  /** A database that fails as one that restarts, once or more, before or after the statement. */
  function createBreakingDatabase(f: Fixture) {
    const breaks: ("before" | "after")[] = [];
    const db = {
      query: async (statement: { text: string }) => {
        const moment = breaks.shift();
        const result = moment === "before" ? undefined : await f.pool.query(statement);
        if (moment !== undefined) throw new Error("Connection terminated unexpectedly");
        return result;
      },
    };
    return { breaks, db: db as unknown as LedgerDatabase };
  }

  test("no request is forwarded, and none that may have been reserved stays reserved", async () => {
    await using f = await fixture();
    const { breaks, db } = createBreakingDatabase(f);
    await using ledger = openLedger(db);
    for (const moment of ["before", "after"] as const) {
      breaks.push(moment);
      const reservation = ledger.reserve(createSource(), { ...request, requestId: moment });
      await expect(reservation).rejects.toMatchObject({ code: "ledger_unavailable" });
    }
    await expect.poll(() => listReservations(f)).toEqual([]);
    expect(await listRequests(f)).toMatchObject([{ request_id: "after", status: 0, cost: 0, output_tokens: 0 }]);
  });

  test("what has begun is settled once when the database is back", async () => {
    await using f = await fixture();
    const { breaks, db } = createBreakingDatabase(f);
    await using ledger = openLedger(db);
    const reservation = await ledger.reserve(createSource(), request);
    breaks.push("before", "before", "after", "after");
    await reservation.settle({ status: 200, durationMs: 1, usage });
    expect(breaks).toEqual([]);
    expect(await listRequests(f)).toMatchObject([{ cost: 170 }]);
    expect(await listHours(f)).toMatchObject([{ requests: 1 }]);
  });
});

describe("the row of a request", () => {
  test("is deleted after its time, in steps, and its sums by hour stay", async () => {
    await using f = await fixture();
    await using ledger = openLedger(f.pool);
    const reservation = await ledger.reserve(createSource(), request);
    await reservation.settle({ status: 200, durationMs: 10, usage });
    const columns = await f.pool.query<{ names: string }>(
      `select string_agg(quote_ident(column_name), ', ') as names from information_schema.columns
       where table_name = 'model_requests' and column_name not in ('id', 'settled_at')`,
    );
    const { names } = columns.rows[0]!;
    await f.pool.query(
      `insert into model_requests (id, settled_at, ${names})
       select gen_random_uuid(), now() - interval '91 days', ${names} from model_requests, generate_series(1, 700)`,
    );
    const hours = await listHours(f);
    const oldRequests = new OldRequests(f.pool, 90 * 24 * 3_600_000);
    expect([await oldRequests.step(), await oldRequests.step()]).toEqual([true, false]);
    expect(await listRequests(f)).toHaveLength(1);
    expect(await listHours(f)).toEqual(hours);
  });
});
