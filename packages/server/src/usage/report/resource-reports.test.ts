import { randomUUID } from "node:crypto";
import { ResourceUsageQuery } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import type { VisibilityScope } from "../../access/index.ts";
import { schema } from "../../store/index.ts";
import { ResourceReports } from "./resource-reports.ts";

type HourRow = typeof schema.runner_hours.$inferInsert;

async function addHours(f: Fixture, rows: readonly Partial<HourRow>[]): Promise<void> {
  const createRow = (row: Partial<HourRow>): HourRow => ({
    hour: new Date("2026-01-01T00:00:00Z"),
    runner_id: randomUUID(),
    run_id: randomUUID(),
    organization_id: f.owner.organization_id,
    tier: "small",
    cpu_ms: 1_500,
    running_ms: 60_000,
    memory_mib_seconds: 1_024 * 3_600,
    ...row,
  });
  await f.db.insert(schema.runner_hours).values(rows.map(createRow));
}

/** The fixtures are of this year. */
const from = "2026-01-01T00:00:00.000Z";
const read = (f: Fixture, query: object, scope: VisibilityScope = f.owner) =>
  new ResourceReports(f.db).read(scope, ResourceUsageQuery.parse({ from, ...query }));

describe("a report of resources", () => {
  test("sums up what the organisation's runners used, and nothing of another one", async () => {
    await using f = await fixture();
    const none = { running_seconds: 0, cpu_seconds: 0, memory_gib_hours: 0, storage_gib_hours: 0 };
    expect(await read(f, { group_by: "task" })).toMatchObject({ rows: [], truncated: false, total: none });
    await addHours(f, [{}, { cpu_ms: 1 }, { organization_id: randomUUID() }]);
    const total = { running_seconds: 120, cpu_seconds: 1.501, memory_gib_hours: 2, storage_gib_hours: 0 };
    expect(await read(f, {})).toEqual({ from, rows: [], truncated: false, total });
    expect((await read(f, {}, { ...f.owner, organization_id: randomUUID() })).total).toEqual(none);
  });

  test.each([
    ["board", "board_id", "board_id"],
    ["user", "user_id", "user_id"],
    ["run", "run_id", "run_id"],
    ["runner", "runner_id", undefined],
    ["task", "task_id", "task_id"],
    ["agent_type", "agent_type", "agent_type"],
    ["tier", "tier", undefined],
  ] as const)(
    "by %s has the longest running time first, and a filter selects one",
    async (group_by, column, filter) => {
      await using f = await fixture();
      const [first, second] = [randomUUID(), randomUUID()];
      await addHours(f, [{ [column]: first, running_ms: 3_000 }, { [column]: second }]);
      const { rows, total } = await read(f, { group_by });
      expect(rows.map(({ key, running_seconds }) => [key, running_seconds])).toEqual([
        [second, 60],
        [first, 3],
      ]);
      expect(total.running_seconds).toBe(63);
      if (filter) expect((await read(f, { [filter]: first })).total.running_seconds).toBe(3);
    },
  );

  test("by day is in the order of time, within the given times, and says when rows are missing", async () => {
    await using f = await fixture();
    const hours = ["2026-01-03T00:00:00Z", "2026-01-02T23:00:00Z", "2026-01-01T00:00:00Z"];
    await addHours(
      f,
      hours.map((hour) => ({ hour: new Date(hour) })),
    );
    const { rows, truncated, total } = await read(f, { group_by: "day", limit: 2 });
    expect([rows.map(({ key }) => key), truncated]).toEqual([["2026-01-01", "2026-01-02"], true]);
    expect(total.running_seconds).toBe(180);
    const later = await read(f, { from: "2026-01-02T23:59:00Z", to: "2026-01-02T23:59:30Z" });
    expect(later).toMatchObject({ from: "2026-01-02T23:00:00.000Z", total: { running_seconds: 60 } });
  });
});
