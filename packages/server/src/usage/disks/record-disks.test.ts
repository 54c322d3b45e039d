import { randomUUID } from "node:crypto";
import { ResourceUsageQuery } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { schema } from "../../store/index.ts";
import { ResourceReports } from "../report/resource-reports.ts";
import { recordDisks } from "./record-disks.ts";

const { runner_disks, runners, runs, turns, users } = schema;
const gibibyte = 2 ** 30;

/** Creates a standalone runner of the owner. */
async function createRunner(f: Fixture, values: Partial<typeof runners.$inferInsert> = {}): Promise<string> {
  const id = randomUUID();
  const { organization_id, user_id: owner_id } = f.owner;
  await f.db.insert(runners).values({ id, backend: "mock", tier: "small", organization_id, owner_id, ...values });
  return id;
}

const record = (f: Fixture, ids: readonly string[], disk_bytes = 10 * gibibyte) =>
  f.db.transaction((tx) =>
    recordDisks(
      tx,
      ids.map((runner_id) => ({ runner_id, disk_bytes })),
    ),
  );

const destroy = (f: Fixture, id: string) => f.db.update(runners).set({ state: "DESTROYED" }).where(eq(runners.id, id));

/** Reads the rows in the order of time; `hours` is how long a disk was held. */
async function readDisks(f: Fixture) {
  const { rows } = await f.db.execute<{ [name: string]: unknown; is_held: boolean; hours: number }>(sql`
    select runner_id, run_id, task_id, board_id, organization_id, user_id, agent_type, tier, disk_mib::int,
      held_until = 'infinity' as is_held, held_from::text, held_until::text,
      round(extract(epoch from least(held_until, now()) - held_from) / 3600)::int as hours
    from runner_disks order by held_from`);
  return rows;
}

/** Acts as if all that is recorded had been this much earlier. */
const passTime = (f: Fixture, hours: number) =>
  f.db.update(runner_disks).set({
    held_from: sql`held_from - make_interval(hours => ${hours})`,
    held_until: sql`held_until - make_interval(hours => ${hours})`,
  });

const readStorage = async (f: Fixture, query: object = {}) =>
  new ResourceReports(f.db).read(f.owner, ResourceUsageQuery.parse(query));

describe("the disk of a runner", () => {
  test("counts from its record until the runner is destroyed, also while it is stopped", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    await record(f, [id]);
    await passTime(f, 3);
    await f.db.update(runners).set({ state: "STOPPED" });
    expect((await readStorage(f)).total.storage_gib_hours).toBeCloseTo(30, 1);
    await passTime(f, 2);
    await destroy(f, id);
    await passTime(f, 5);
    expect((await readStorage(f)).total.storage_gib_hours).toBeCloseTo(50, 1);
    expect(await readDisks(f)).toMatchObject([{ runner_id: id, run_id: id, is_held: false, hours: 5 }]);
  });

  test("counts once, however often and by however many servers it is recorded", async () => {
    await using f = await fixture();
    const ids = await Promise.all(Array.from({ length: 10 }, () => createRunner(f)));
    await Promise.all(Array.from({ length: 6 }, () => record(f, ids)));
    await passTime(f, 1);
    await Promise.all(Array.from({ length: 6 }, () => record(f, ids, gibibyte)));
    expect(await f.db.$count(runner_disks)).toBe(10);
    expect((await readStorage(f)).total.storage_gib_hours).toBeCloseTo(100, 1);
  });

  test("is not recorded if the server dies before it assigns the runner", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    const crashed = f.db.transaction(async (tx) => {
      await recordDisks(tx, [{ runner_id: id, disk_bytes: gibibyte }]);
      throw new Error("crashed");
    });
    await expect(crashed).rejects.toThrow("crashed");
    expect(await readDisks(f)).toEqual([]);
  });

  test("of a destroyed runner does not count again, and one whose row is deleted ends", async () => {
    await using f = await fixture();
    const [destroyed, deleted] = [await createRunner(f), await createRunner(f)];
    await record(f, [destroyed, deleted]);
    await destroy(f, destroyed);
    await record(f, [destroyed]);
    await f.db.delete(runners).where(eq(runners.id, deleted));
    expect((await readDisks(f)).map(({ is_held }) => is_held)).toEqual([false, false]);
  });

  test("of a runner that waits in the pool does not count", async () => {
    await using f = await fixture();
    await record(f, [await createRunner(f, { organization_id: null, owner_id: null })]);
    expect(await readDisks(f)).toEqual([]);
  });

  test("belongs to the run that claims the runner, and without a gap to the task's next run", async () => {
    await using f = await fixture();
    const { organization_id, user_id } = f.owner;
    const other = randomUUID();
    await f.db.insert(users).values({ id: other, username: "other", email: "other@example.com" });
    const task = await f.newTask();
    const first = await f.prompt(task);
    await claim(f.db, "a");
    await passTime(f, 2);
    // A run that takes its slot again changes nothing.
    await f.db.update(runs).set({ slot: false, queued_at: new Date() });
    await claim(f.db, "a");
    expect(await f.db.$count(runner_disks)).toBe(1);
    await f.db.update(turns).set({ state: "ENDED" });
    await f.db.update(runs).set({ status: "COMPLETED", slot: false, queued_at: null });
    const second = await f.commands.prompt(task.id, { text: "go on", by: other, agent_type: "demo" });
    await claim(f.db, "a");
    const common = { task_id: task.id, board_id: task.board_id, organization_id, agent_type: "demo", tier: "small" };
    const [former, latter] = await readDisks(f);
    expect(former).toMatchObject({ ...common, run_id: first.run_id, user_id, is_held: false, hours: 2 });
    expect(latter).toMatchObject({ ...common, run_id: second.run_id, user_id: other, is_held: true, hours: 0 });
    expect(latter?.["held_from"]).toBe(former?.["held_until"]);
    expect(latter?.["runner_id"]).toBe(former?.["runner_id"]);
  });

  test("of a deleted task counts until its runner is destroyed", async () => {
    await using f = await fixture();
    await f.prompt(await f.newTask());
    const [claimed] = await claim(f.db, "a");
    await f.db.delete(schema.boards);
    await passTime(f, 1);
    expect(await readDisks(f)).toMatchObject([{ is_held: true, hours: 1, run_id: claimed!.run_id }]);
    await destroy(f, claimed!.lease.runner_id);
    expect(await readDisks(f)).toMatchObject([{ is_held: false, hours: 1 }]);
  });
});

describe("a report of storage", () => {
  const addDisk = (f: Fixture, from: string, until: string, values: Partial<typeof runner_disks.$inferInsert> = {}) =>
    f.db.insert(runner_disks).values({
      runner_id: randomUUID(),
      run_id: randomUUID(),
      organization_id: f.owner.organization_id,
      tier: "small",
      disk_mib: 1_024,
      held_from: new Date(from),
      held_until: new Date(until),
      ...values,
    });

  test.each([
    ["hour", ["2026-01-01T22:00:00Z", 0.5], ["2026-01-01T23:00:00Z", 1], ["2026-01-02T00:00:00Z", 0.25]],
    ["day", ["2026-01-01", 1.5], ["2026-01-02", 0.25]],
  ] as const)("by %s divides the time that a disk was held", async (group_by, ...expected) => {
    await using f = await fixture();
    await addDisk(f, "2026-01-01T22:30:00Z", "2026-01-02T00:15:00Z");
    await addDisk(f, "2026-01-01T22:30:00Z", "2026-01-02T00:15:00Z", { organization_id: randomUUID() });
    const { rows, total } = await readStorage(f, { group_by, from: "2026-01-01T00:00:00Z" });
    expect(rows.map(({ key, storage_gib_hours }) => [key, storage_gib_hours])).toEqual(expected);
    expect(total).toMatchObject({ storage_gib_hours: 1.75, running_seconds: 0, memory_gib_hours: 0 });
  });

  test.each(["hour", "day", "tier", undefined])("by %s contains only its times", async (group_by) => {
    await using f = await fixture();
    const times = { from: "2026-01-02T10:00:00Z", to: "2026-01-02T12:00:00Z" };
    await addDisk(f, "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
    await addDisk(f, "2026-01-02T11:30:00Z", "2026-01-03T00:00:00Z");
    await addDisk(f, "2026-01-02T00:00:00Z", "2026-01-02T10:15:00Z");
    await addDisk(f, "2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z");
    await addDisk(f, "2026-01-01T00:00:00Z", "2026-01-02T10:00:00Z");
    const { total } = await readStorage(f, { ...times, ...(group_by && { group_by }) });
    expect(total.storage_gib_hours).toBe(2.75);
  });

  test("by task is in one row with what the task's runners used", async () => {
    await using f = await fixture();
    const task_id = randomUUID();
    await addDisk(f, "2026-01-02T10:00:00Z", "2026-01-02T11:00:00Z", { task_id });
    await f.db.insert(schema.runner_hours).values({
      hour: new Date("2026-01-02T10:00:00Z"),
      runner_id: randomUUID(),
      run_id: randomUUID(),
      organization_id: f.owner.organization_id,
      task_id,
      tier: "small",
      cpu_ms: 1_000,
      running_ms: 2_000,
      memory_mib_seconds: 0,
    });
    const { rows } = await readStorage(f, { group_by: "task", task_id, from: "2026-01-01T00:00:00Z" });
    expect(rows).toMatchObject([{ key: task_id, cpu_seconds: 1, running_seconds: 2, storage_gib_hours: 1 }]);
  });
});
