import { randomUUID } from "node:crypto";
import { UsageQuery } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import type { VisibilityScope } from "../../access/index.ts";
import { schema } from "../../store/index.ts";
import { UsageReports } from "./usage-reports.ts";

type HourRow = typeof schema.usage_hours.$inferInsert;

async function addHours(f: Fixture, rows: readonly Partial<HourRow>[]): Promise<void> {
  const counts = {
    requests: 1,
    failed_requests: 0,
    estimated_requests: 0,
    implausible_requests: 0,
    unpriced_requests: 0,
    input_tokens: 10,
    cached_tokens: 0,
    cache_write_tokens: 0,
    long_cache_write_tokens: 0,
    output_tokens: 5,
    thinking_tokens: 1,
    cost: 1_000_000,
    duration_ms: 100,
  };
  const { organization_id } = f.owner;
  const createRow = (row: Partial<HourRow>): HourRow => ({
    hour: new Date("2026-01-01T00:00:00Z"),
    run_id: randomUUID(),
    turn_id: randomUUID(),
    route: "main",
    organization_id,
    ...counts,
    ...row,
  });
  await f.db.insert(schema.usage_hours).values(rows.map(createRow));
}

/** The fixtures are of this year. */
const from = "2026-01-01T00:00:00.000Z";
const read = (f: Fixture, query: object, scope: VisibilityScope = f.owner) =>
  new UsageReports(f.db).read(scope, UsageQuery.parse({ from, ...query }));

describe("a usage report", () => {
  test("sums up all that the organisation used, and nothing of another one", async () => {
    await using f = await fixture();
    expect(await read(f, {})).toMatchObject({ rows: [], total: { requests: 0, cost_usd: 0 } });
    await addHours(f, [{ cost: 1 }, { cost: 2_500_000, thinking_tokens: 7 }, { organization_id: randomUUID() }]);
    expect(await read(f, {})).toEqual({
      from,
      rows: [],
      truncated: false,
      total: {
        requests: 2,
        failed_requests: 0,
        estimated_requests: 0,
        implausible_requests: 0,
        unpriced_requests: 0,
        input_tokens: 20,
        cached_tokens: 0,
        cache_write_tokens: 0,
        output_tokens: 10,
        thinking_tokens: 8,
        cost_usd: 2.500001,
        duration_ms: 200,
      },
    });
    expect((await read(f, {}, { ...f.owner, organization_id: randomUUID() })).total.requests).toBe(0);
  });

  test("has a row for each task, the most expensive first, with its title while it exists", async () => {
    await using f = await fixture();
    const task = await f.newTask({ title: "fix it" });
    const gone = randomUUID();
    await addHours(f, [{ task_id: task.id }, { task_id: gone, cost: 2 }, { task_id: task.id, cost: 5 }, { cost: 9e6 }]);
    const { rows, total } = await read(f, { group_by: "task" });
    expect(rows.map(({ key, name, cost_usd, requests }) => [key, name, cost_usd, requests])).toEqual([
      [null, undefined, 9, 1],
      [task.id, "fix it", 1.000005, 2],
      [gone, undefined, 0.000002, 1],
    ]);
    expect(total.requests).toBe(4);
  });

  test.each([
    ["hour", ["2026-01-01T00:00:00Z", "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"]],
    ["day", ["2026-01-01", "2026-01-02"]],
  ])("by %s is in the order of time", async (group_by, expected) => {
    await using f = await fixture();
    const hours = ["2026-01-02T00:00:00Z", "2026-01-01T23:00:00Z", "2026-01-01T00:00:00Z"];
    await addHours(
      f,
      hours.map((hour, i) => ({ hour: new Date(hour), cost: i })),
    );
    expect((await read(f, { group_by })).rows.map(({ key }) => key)).toEqual(expected);
  });

  test.each([
    ["board", "board_id", "board_id"],
    ["user", "user_id", "user_id"],
    ["run", "run_id", "run_id"],
    ["task", "task_id", "task_id"],
    ["turn", "turn_id", undefined],
    ["agent_type", "agent_type", "agent_type"],
    ["tier", "tier", undefined],
    ["route", "route", "route"],
    ["model", "model", "model"],
  ] as const)("by %s has its values, and a filter selects one of them", async (group_by, column, filter) => {
    await using f = await fixture();
    const [first, second] = [randomUUID(), randomUUID()];
    await addHours(f, [{ [column]: first }, { [column]: second }, { [column]: second }]);
    const { rows } = await read(f, { group_by });
    expect(rows.map(({ key, requests }) => [key, requests])).toEqual([
      [second, 2],
      [first, 1],
    ]);
    if (filter !== undefined) expect((await read(f, { [filter]: first })).total.requests).toBe(1);
  });

  test("contains the whole hours of its time, and says which", async () => {
    await using f = await fixture();
    const hours = ["2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"];
    await addHours(
      f,
      hours.map((hour) => ({ hour: new Date(hour) })),
    );
    const { from, to, rows } = await read(f, {
      from: "2026-01-01T10:59:59Z",
      to: "2026-01-01T12:01:00+01:00",
      group_by: "hour",
    });
    expect({ from, to }).toEqual({ from: "2026-01-01T10:00:00.000Z", to: "2026-01-01T12:00:00.000Z" });
    expect(rows.map(({ key }) => key)).toEqual(["2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"]);
  });

  test("says that there are more rows than the limit, and its total contains them", async () => {
    await using f = await fixture();
    await addHours(f, [{ model: "a" }, { model: "b" }, { model: "c" }]);
    const { rows, truncated, total } = await read(f, { group_by: "model", limit: 2 });
    expect([rows.map(({ key }) => key), truncated, total.requests]).toEqual([["a", "b"], true, 3]);
    expect(await read(f, { group_by: "model", limit: 3 })).toMatchObject({ truncated: false, rows: [{}, {}, {}] });
  });

  test.each([
    ["now", {}, () => Date.now()],
    ["the end", { to: "2026-02-15T08:20:00Z" }, () => Date.parse("2026-02-15T08:20:00Z")],
  ])("without a beginning contains the 30 days before %s, and says so", async (_what, query, getEndMs) => {
    await using f = await fixture();
    const toHour = (ms: number) => new Date(Math.floor(ms / 3_600_000) * 3_600_000);
    const day = 24 * 3_600_000;
    await addHours(
      f,
      [29, 31].map((days) => ({ hour: toHour(getEndMs() - days * day) })),
    );
    const report = await new UsageReports(f.db).read(f.owner, UsageQuery.parse(query));
    expect(report.total.requests).toBe(1);
    expect(Math.abs(Date.parse(report.from) - toHour(getEndMs() - 30 * day).getTime())).toBeLessThanOrEqual(3_600_000);
  });
});
