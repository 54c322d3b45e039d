import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { recordDisks, recordRunnerSamples } from "../../usage/index.ts";
import { readRunnerDetails } from "./runner-details.ts";

const { boards, runner_leases, runners, runs, tasks } = schema;
const gibibyte = 2 ** 30;

async function createRunner(f: Fixture, values: Partial<typeof runners.$inferInsert>): Promise<string> {
  const id = randomUUID();
  const created_at = new Date(Date.now() - 3_600_000);
  await f.db.insert(runners).values({ id, backend: "mock", tier: "small", created_at, ...values });
  return id;
}

test("a runner's details name its person and disk, and what it used at the last sample", async () => {
  await using f = await fixture();
  const { user_id, organization_id } = f.owner;
  const id = await createRunner(f, { owner_id: user_id, organization_id });
  expect((await readRunnerDetails(f.db, [id])).get(id)).toEqual({
    owner: { id: user_id, username: expect.any(String) },
    task: null,
    agent_type: null,
    run_status: null,
    idle_since: null,
    usage: null,
    disk_bytes: null,
  });
  await f.db.insert(runner_leases).values({ runner_id: id, server_id: "a", epoch: 1, place: "here" });
  const sample = { runner_id: id, epoch: 1, launch: "first", cpu_ms: 1_500, running_ms: 10_000 };
  await recordRunnerSamples(f.pool, "a", [{ ...sample, memory_bytes: gibibyte }]);
  await recordDisks(f.db, [{ runner_id: id, disk_bytes: 10 * gibibyte }]);
  expect((await readRunnerDetails(f.db, [id, randomUUID()])).get(id)).toMatchObject({
    usage: { cpu_seconds: 1.5, running_seconds: 10, memory_bytes: gibibyte, sampled_at: expect.any(Date) },
    disk_bytes: 10 * gibibyte,
  });
});

test("a runner's details are those of its newest run", async () => {
  await using f = await fixture();
  const { user_id, default_board_id: board_id, organization_id } = f.owner;
  const id = await createRunner(f, { board_id });
  const task = await f.newTask({ title: "fix it" });
  const { run_id } = await f.prompt(task);
  const idle_since = new Date();
  await f.db.update(runs).set({ runner_id: id, status: "RUNNING", idle_since }).where(eq(runs.id, run_id));
  const earlier = { id: randomUUID(), task_id: task.id, agent_type: "other", runner_id: id, status: "FAILED" } as const;
  await f.db.insert(runs).values({ ...earlier, created_at: new Date(0) });
  const details = {
    owner: { id: user_id },
    task: { id: task.id, title: "fix it" },
    agent_type: "demo",
    run_status: "RUNNING",
    idle_since,
  };
  expect((await readRunnerDetails(f.db, [id])).get(id)).toMatchObject(details);

  // Those who see the runner may not see the other board.
  const other = randomUUID();
  await f.db.insert(boards).values({ id: other, name: "other", owner_id: user_id, organization_id });
  await f.db.update(tasks).set({ board_id: other }).where(eq(tasks.id, task.id));
  expect((await readRunnerDetails(f.db, [id])).get(id)).toMatchObject({ ...details, task: null });
});
