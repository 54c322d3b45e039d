import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { Backend } from "../../backends/index.ts";
import { schema } from "../../store/index.ts";
import type { Tenure } from "../leases/index.ts";
import { Setting } from "../pool/fixtures/setting.ts";
import { createRunnerSpec, RunnerWorker } from "../workers/runner-worker.ts";
import { RunnerMeter } from "./runner-meter.ts";

const patience = { timeout: 30_000 };
const { runner_counters, runner_hours, runner_leases, runners } = schema;

function createMeter(
  setting: Setting,
  tenures: readonly Tenure[],
  backend: Pick<Backend, "getUsage"> = setting.backend,
) {
  const serverId = tenures[0]?.lease.server_id ?? "one";
  const logger = pino({ level: "info" }, { write: (line) => void setting.logLines.push(JSON.parse(line)) });
  const options = { backend, leases: { tenures, serverId }, db: setting.f.pool, logger };
  return new RunnerMeter({ ...options, sampleIntervalMs: 20, measureTimeoutMs: 5_000 });
}

/** Starts a standalone runner, which belongs to the owner's organisation. */
async function startRunner(setting: Setting): Promise<Tenure> {
  const tenure = await setting.lease(randomUUID());
  const { organization_id, user_id: owner_id } = setting.f.owner;
  await setting.f.db
    .update(runners)
    .set({ organization_id, owner_id, state: "READY" })
    .where(eq(runners.id, tenure.runnerId));
  const runner = await setting.runners.get(tenure.runnerId);
  await setting.backend.create(createRunnerSpec(runner!, setting.keys));
  return tenure;
}

const readHours = (setting: Setting) => setting.f.db.select().from(runner_hours);

test("the runners of a server are counted, and what a crashed server missed is counted by the next one", async () => {
  await using setting = await Setting.mock();
  const tenure = await startRunner(setting);
  const absent = await setting.lease(randomUUID());
  await createMeter(setting, [absent, tenure]).sampleAll();
  const [first] = await readHours(setting);
  expect(first).toMatchObject({ runner_id: tenure.runnerId, user_id: setting.f.owner.user_id });

  // The first server measures once more, and dies before it writes.
  await expect
    .poll(async () => (await setting.backend.getUsage(tenure.runnerId)).cpuSeconds, patience)
    .toBeGreaterThan(0);
  await setting.f.db.update(runner_leases).set({ server_id: "two", epoch: 2 });
  await setting.f.db.update(runner_counters).set({ sampled_at: sql`now() - interval '1 minute'` });
  const next = setting.leases("two").hold({ ...tenure.lease, server_id: "two", epoch: 2 });
  await Promise.all([createMeter(setting, [tenure]).sampleAll(), createMeter(setting, [next]).sampleAll()]);
  const used = await setting.backend.getUsage(tenure.runnerId);
  const [hour] = await readHours(setting);
  expect(hour?.running_ms).toBeGreaterThan(first!.running_ms);
  expect(hour?.running_ms).toBeLessThanOrEqual(used.launch!.runningSeconds * 1000);
  expect(hour?.cpu_ms).toBeLessThanOrEqual(used.cpuSeconds * 1000);
  expect(hour?.cpu_ms).toBeGreaterThan(0);
});

test("a runner is counted before it stops, and nothing of it counts while it is stopped", async () => {
  await using setting = await Setting.mock();
  const { runners, keys, backend, f } = setting;
  const tenure = await startRunner(setting);
  const meter = createMeter(setting, [tenure]);
  await runners.setDesired(tenure.lease, "STOPPED");
  const logger = pino({ level: "silent" });
  const worker = new RunnerWorker(
    {
      backend,
      runners,
      keys,
      logger,
      meter,
      findWork: async () => undefined,
      failWork: async () => undefined,
      poke: () => undefined,
      sleep: async () => expect.fail("the runner does not stop"),
    },
    tenure,
  );
  await worker.run();
  const [hour] = await readHours(setting);
  expect(hour?.running_ms).toBeGreaterThan(0);
  await f.db.update(runner_leases).set({ server_id: "one", epoch: 1 });
  await meter.sampleAll();
  expect(await readHours(setting)).toEqual([hour]);
});

test("a backend that hangs, fails or reports nonsense delays no other runner, and is not asked again meanwhile", async () => {
  await using setting = await Setting.mock();
  const tenure = await startRunner(setting);
  const others = await Promise.all(["hangs", "fails", "nonsense"].map(() => setting.lease(randomUUID())));
  const [hanging, failing, nonsense] = others.map(({ runnerId }) => runnerId);
  let asked = 0;
  const hung = Promise.withResolvers<never>();
  const getUsage: Backend["getUsage"] = async (id) => {
    if (id === hanging) asked += 1;
    if (id === hanging) return hung.promise;
    if (id === failing) throw new Error("it failed");
    const usage = await setting.backend.getUsage(tenure.runnerId);
    const launch = { ...usage.launch!, cpuSeconds: Number.NaN };
    return id === nonsense ? { ...usage, launch } : usage;
  };
  const meter = createMeter(setting, [...others, tenure], { getUsage });
  await meter.sampleAll();
  await meter.sampleAll();
  expect(asked).toBe(1);
  expect((await readHours(setting)).map(({ runner_id }) => runner_id)).toEqual([tenure.runnerId]);
  expect(setting.logLines).toMatchObject([
    { runner_id: nonsense, msg: "a runner's usage is impossible" },
    { runner_id: nonsense, msg: "a runner's usage is impossible" },
  ]);
  hung.reject(new Error("too late"));
});

test("without a database nothing is lost: the next sample counts", async () => {
  await using setting = await Setting.mock();
  const tenure = await startRunner(setting);
  const meter = createMeter(setting, [tenure]);
  await setting.f.db.execute(sql`alter table runner_hours rename to away`);
  await meter.sampleAll();
  await meter.measure(tenure);
  expect(await setting.f.db.select().from(runner_counters)).toEqual([]);
  await setting.f.db.execute(sql`alter table away rename to runner_hours`);
  await meter.sampleAll();
  const [hour] = await readHours(setting);
  expect(hour?.running_ms).toBeGreaterThan(0);
  expect(setting.logLines.map(({ msg }) => msg)).toContain("could not count the usage of runners");
});

test("a server samples its runners again and again until it stops", async () => {
  await using setting = await Setting.mock();
  const tenure = await startRunner(setting);
  const meter = createMeter(setting, [tenure]);
  meter.start();
  const getRunningMs = async () => (await readHours(setting))[0]?.running_ms ?? 0;
  await expect.poll(getRunningMs, patience).toBeGreaterThan(0);
  const earlierMs = await getRunningMs();
  await expect.poll(getRunningMs, patience).toBeGreaterThan(earlierMs);
  await meter.stop();
  const stoppedHours = await readHours(setting);
  await setting.backend.getUsage(tenure.runnerId);
  expect(await readHours(setting)).toEqual(stoppedHours);
});
