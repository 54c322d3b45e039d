import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { recordRunnerSamples } from "./record-runner-samples.ts";
import { createRunnerSample, type RunnerSample } from "./runner-sample.ts";

const { boards, runner_counters, runner_hours, runner_leases, runners, runs, turns } = schema;
const gibibyte = 2 ** 30;

/** Creates a runner that was created an hour ago, leased by server `a`. */
async function createRunner(f: Fixture, values: Partial<typeof runners.$inferInsert> = {}): Promise<string> {
  const id = randomUUID();
  const { organization_id } = f.owner;
  const created_at = new Date(Date.now() - 3_600_000);
  await f.db.insert(runners).values({ id, backend: "mock", tier: "small", organization_id, created_at, ...values });
  await f.db.insert(runner_leases).values({ runner_id: id, server_id: "a", epoch: 1, place: "here" });
  return id;
}

const createSample = (runnerId: string, values: Partial<RunnerSample> = {}): RunnerSample => ({
  runner_id: runnerId,
  epoch: 1,
  launch: "first",
  cpu_ms: 1_000,
  running_ms: 10_000,
  memory_bytes: gibibyte,
  ...values,
});

const record = (f: Fixture, samples: readonly RunnerSample[], serverId = "a") =>
  recordRunnerSamples(f.pool, serverId, samples);

/** Acts as if the last sample had been taken this much earlier. */
const passTime = (f: Fixture, minutes: number) =>
  f.db.update(runner_counters).set({ sampled_at: sql`sampled_at - make_interval(mins => ${minutes})` });

async function sumHours(f: Fixture, runnerId?: string) {
  const rows = await f.db
    .select()
    .from(runner_hours)
    .where(runnerId === undefined ? undefined : eq(runner_hours.runner_id, runnerId));
  const sum = (name: "cpu_ms" | "running_ms" | "memory_mib_seconds") =>
    rows.reduce((total, row) => total + row[name], 0);
  return { cpu_ms: sum("cpu_ms"), running_ms: sum("running_ms"), memory_mib_seconds: sum("memory_mib_seconds") };
}

describe("a runner's samples", () => {
  test("count what its counters have grown by, and the memory between them", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    expect(await record(f, [createSample(id)])).toEqual([id]);
    expect(await sumHours(f)).toEqual({ cpu_ms: 1_000, running_ms: 10_000, memory_mib_seconds: 10_240 });
    await passTime(f, 5);
    await record(f, [createSample(id, { cpu_ms: 4_000, running_ms: 210_000, memory_bytes: 3 * gibibyte })]);
    // 200 s at a mean of 2 GiB are added.
    expect(await sumHours(f)).toEqual({ cpu_ms: 4_000, running_ms: 210_000, memory_mib_seconds: 10_240 + 409_600 });
  });

  test("count once, however often and in whatever order they arrive", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    const samples = [3, 1, 2].map((count) => createSample(id, { cpu_ms: count * 1_000, running_ms: count * 10_000 }));
    await record(f, [...samples, ...samples]);
    await Promise.all([...samples, ...samples].map((sample) => record(f, [sample])));
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 3_000, running_ms: 30_000 });
  });

  test("that are the first, and written at the same time, count once", async () => {
    await using f = await fixture();
    const ids = await Promise.all(Array.from({ length: 20 }, () => createRunner(f)));
    await Promise.all(
      Array.from({ length: 8 }, () =>
        record(
          f,
          ids.map((id) => createSample(id)),
        ),
      ),
    );
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 20_000, running_ms: 200_000 });
  });

  test("of a new launch count from zero, and a lower counter of the same launch adds nothing", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    await record(f, [createSample(id, { cpu_ms: 5_000, running_ms: 50_000 })]);
    await passTime(f, 5);
    await record(f, [createSample(id, { cpu_ms: 200, running_ms: 2_000 })]);
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 5_000, running_ms: 50_000 });
    await record(f, [createSample(id, { cpu_ms: 5_100, running_ms: 50_000 })]);
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 5_100, running_ms: 50_000 });
    await passTime(f, 5);
    await record(f, [createSample(id, { launch: "second", cpu_ms: 200, running_ms: 2_000 })]);
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 5_300, running_ms: 52_000 });
    await passTime(f, 5);
    await record(f, [createSample(id, { launch: "third", cpu_ms: 9_000, running_ms: 90_000 })]);
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 14_300, running_ms: 142_000 });
  });

  test("count only for the holder of the lease", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    await record(f, [createSample(id)]);
    await f.db.update(runner_leases).set({ server_id: "b", epoch: 2 });
    await passTime(f, 5);
    // The former holder's measurement arrives late; the next holder sees the same counters.
    const late = createSample(id, { cpu_ms: 9_000, running_ms: 90_000 });
    expect(await record(f, [late])).toEqual([]);
    expect(await record(f, [{ ...late, epoch: 2 }])).toEqual([]);
    expect(await record(f, [late], "b")).toEqual([]);
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 1_000, running_ms: 10_000 });
    expect(await record(f, [{ ...late, epoch: 2 }], "b")).toEqual([id]);
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 9_000, running_ms: 90_000 });
  });

  test("that cannot be right add nothing, and the next one counts all", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    await record(f, [createSample(id)]);
    // More than a thousand processors, in less than a minute.
    expect(await record(f, [createSample(id, { cpu_ms: 1e12 })])).toEqual([]);
    expect(await record(f, [createSample(id, { launch: "second", cpu_ms: 1e12 })])).toEqual([]);
    expect(await sumHours(f)).toMatchObject({ cpu_ms: 1_000, running_ms: 10_000 });
    await record(f, [createSample(id, { cpu_ms: 2_000, running_ms: 1e13 })]);
    const { cpu_ms, running_ms } = await sumHours(f);
    expect(cpu_ms).toBe(2_000);
    expect(running_ms).toBeLessThan(40_000);
    await passTime(f, 5);
    await record(f, [createSample(id, { cpu_ms: 2_000, running_ms: running_ms + 200_000 })]);
    expect(await sumHours(f)).toMatchObject({ running_ms: running_ms + 200_000 });
  });

  test("do not count the time before the run that uses the runner", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const { run_id } = await f.prompt(task);
    const id = await createRunner(f, { organization_id: null });
    // A runner that waits in the pool has no organisation.
    await record(f, [createSample(id, { cpu_ms: 1_000, running_ms: 600_000 })]);
    expect(await f.db.select().from(runner_hours)).toEqual([]);
    await passTime(f, 5);
    const started_at = new Date(Date.now() - 60_000);
    await f.db.update(runs).set({ runner_id: id, started_at }).where(eq(runs.id, run_id));
    await record(f, [createSample(id, { cpu_ms: 1_500, running_ms: 900_000 })]);
    const { cpu_ms, running_ms } = await sumHours(f);
    expect(cpu_ms).toBe(500);
    expect(running_ms).toBeGreaterThanOrEqual(60_000);
    expect(running_ms).toBeLessThan(90_000);
  });

  test("belong to the run, its task and board, and the person who prompted last", async () => {
    await using f = await fixture();
    const { organization_id, user_id } = f.owner;
    const other = randomUUID();
    await f.db.insert(schema.users).values({ id: other, username: "other", email: "other@example.com" });
    const task = await f.newTask();
    const { run_id } = await f.prompt(task);
    const id = await createRunner(f, { organization_id: null, tier: "large" });
    const started_at = new Date(Date.now() - 600_000);
    await f.db.update(runs).set({ runner_id: id, started_at }).where(eq(runs.id, run_id));
    await record(f, [createSample(id)]);
    await f.db.update(turns).set({ state: "ENDED", started_at: new Date(), created_by: other });
    await passTime(f, 5);
    await record(f, [createSample(id, { cpu_ms: 3_000 })]);
    const common = { runner_id: id, run_id, task_id: task.id, board_id: task.board_id, organization_id };
    const rows = await f.db.select().from(runner_hours).orderBy(runner_hours.cpu_ms);
    expect(rows).toMatchObject([
      { ...common, user_id, agent_type: "demo", tier: "large", cpu_ms: 1_000 },
      { ...common, user_id: other, agent_type: "demo", tier: "large", cpu_ms: 2_000 },
    ]);
    await f.db.delete(boards);
    expect(await f.db.select().from(runner_hours)).toHaveLength(2);
  });

  test("of a runner without a task belong to its owner", async () => {
    await using f = await fixture();
    const { user_id: owner_id, organization_id } = f.owner;
    const id = await createRunner(f, { owner_id });
    await record(f, [createSample(id)]);
    expect(await f.db.select().from(runner_hours)).toMatchObject([
      { runner_id: id, run_id: id, task_id: null, board_id: null, user_id: owner_id, organization_id },
    ]);
  });
});

describe("a measurement", () => {
  const lease = { runner_id: randomUUID(), epoch: 7 };
  const measurement = { launch: { id: "one", cpuSeconds: 1.5, runningSeconds: 20.25 }, memoryBytes: 1_000 };

  test("becomes a sample in whole units", () => {
    const sample = { ...lease, launch: "one", cpu_ms: 1_500, running_ms: 20_250, memory_bytes: 1_000 };
    expect(createRunnerSample(lease, measurement)).toEqual(sample);
  });

  test.each([Number.NaN, Infinity, -Infinity, -1, 1e300])("of %s is none", (value) => {
    const { launch } = measurement;
    expect(createRunnerSample(lease, { ...measurement, memoryBytes: value })).toBeUndefined();
    expect(createRunnerSample(lease, { ...measurement, launch: { ...launch, cpuSeconds: value } })).toBeUndefined();
  });

  test("may come from an engine with another clock, and its launch may have any name", async () => {
    await using f = await fixture();
    const id = await createRunner(f);
    const launch = { id: `\0\ud800${"x".repeat(10_000)}`, cpuSeconds: 1, runningSeconds: -30 };
    const sample = createRunnerSample({ runner_id: id, epoch: 1 }, { launch, memoryBytes: 0 });
    expect(await record(f, [sample!])).toEqual([id]);
    expect(await sumHours(f)).toEqual({ cpu_ms: 1_000, running_ms: 0, memory_mib_seconds: 0 });
  });
});
