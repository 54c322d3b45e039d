import { desc, eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { AgentTypes } from "../../agent-types/index.ts";
import { schema } from "../../store/index.ts";
import { getRunnerKind } from "../work/start/runner-kind.ts";
import { getRunSize, parseLimits } from "./run-size.ts";

const { agent_types, runners, runs } = schema;

const openAgentTypes = async (f: Fixture) => {
  const types = new AgentTypes(f.db, {
    routes: {},
    images: { prefix: "", tag: "latest" },
    findMissingReason: async () => undefined,
  });
  await types.seed();
  return types;
};
const getLatestRun = async (f: Fixture) => (await f.db.select().from(runs).orderBy(desc(runs.created_at)).limit(1))[0]!;

// K-020 X-021
test("a run has the size of its task's tier, or that of its agent type", async () => {
  await using f = await fixture();
  const types = await openAgentTypes(f);
  const task = await f.newTask();
  await f.prompt(task);
  expect(await getLatestRun(f)).toMatchObject({ tier: "small" });
  const large = await f.tasks.update((await f.newTask()).id, { tier: "large" }, { by: f.owner.user_id });
  await f.prompt(large);
  const largeLimits = { cpu: "4.0", memory: "8g", disk: "100g" };
  expect(await getLatestRun(f)).toMatchObject({ tier: "large", resource_limits: largeLimits });
  const { default_resources } = await types.get(f.owner, "auggie");
  expect(default_resources).toEqual({ cpu: "2.0", memory: "2g", disk: "10g" });
  const other = await f.newTask();
  await f.commands.prompt(other.id, { text: "go on", by: f.owner.user_id, agent_type: "auggie" });
  expect(await getLatestRun(f)).toMatchObject({ tier: "custom", resource_limits: default_resources });
});

test("a run keeps its size when its task and its agent type are changed, and the next run has the new one", async () => {
  await using f = await fixture();
  const types = await openAgentTypes(f);
  const by = { by: f.owner.user_id };
  const task = await f.tasks.update((await f.newTask()).id, { tier: "medium" }, by);
  await f.prompt(task);
  await f.tasks.update(task.id, { tier: "grad-large" }, by);
  await f.db.update(agent_types).set({ default_resources: { cpu: "9.0", memory: "9g", disk: "9g" } });
  const [first] = await claim(f.db, "a");
  const [runner] = await f.db.select().from(runners);
  expect(runner).toMatchObject({ id: first!.lease.runner_id, tier: "medium", resources: { memory_mb: 4096 } });
  const run = await getLatestRun(f);
  const kind = await getRunnerKind({ agentTypes: types }, { ...run, organization_id: f.owner.organization_id });
  expect(kind.limits).toMatchObject({ cpu: 2, memoryBytes: 4 * 1024 ** 3, diskBytes: 50 * 1024 ** 3 });

  await f.db.update(runs).set({ status: "COMPLETED", slot: false });
  await f.db.update(runners).set({ state: "STOPPED", desired: "STOPPED" });
  await f.prompt(task);
  const [second] = await claim(f.db, "a");
  expect(second!.lease.runner_id).toBe(first!.lease.runner_id);
  const [again] = await f.db.select().from(runners).where(eq(runners.id, runner!.id));
  expect(again).toMatchObject({ tier: "grad-large", resources: { cpu_millicores: 8000 } });
});

test("resources of an agent type that are those of a tier are that tier", () => {
  expect(getRunSize(null, { cpu: "2", memory: "4096m", disk: "50g" }).tier).toBe("medium");
  expect(getRunSize(null, { cpu: "2", memory: "4097m", disk: "50g" }).tier).toBe("custom");
  expect(parseLimits(getRunSize("small").resource_limits)).toMatchObject({ cpu: 1, memoryBytes: 2 * 1024 ** 3 });
});
