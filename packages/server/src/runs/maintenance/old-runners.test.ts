import { eq, sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { releaseIdleLease } from "../../runners/leases/lease.ts";
import { schema } from "../../store/index.ts";
import { OldRunnerCleanup } from "./old-runners.ts";

const { pushes, runner_leases, runners, runs, tasks } = schema;
const day = 86_400_000;

/** Creates a task that was accepted two days ago, with a stopped runner. */
async function accept(f: Fixture) {
  const task = await f.newTask();
  await f.prompt(task);
  const [claimed] = await claim(f.db, "a");
  const runner = claimed!.lease.runner_id;
  await f.db.update(runs).set({ status: "COMPLETED", slot: false }).where(eq(runs.task_id, task.id));
  await f.db.update(runners).set({ state: "STOPPED", desired: "STOPPED" }).where(eq(runners.id, runner));
  const completed_at = sql`now() - interval '2 days'`;
  await f.db.update(tasks).set({ state: "COMPLETED", completed_at }).where(eq(tasks.id, task.id));
  await releaseIdleLease(f.db, claimed!.lease);
  return { task, run_id: claimed!.run_id, runner };
}

const look = async (f: Fixture, keepMs = day) => {
  const given = { up: false };
  const job = new OldRunnerCleanup(f.db, { keepMs, onDestroyNeeded: () => (given.up = true) });
  while (await job.step());
  return given.up;
};
const getDesiredState = async (f: Fixture, id: string) =>
  (await f.db.select().from(runners).where(eq(runners.id, id)))[0]?.desired;

test("the runner of a task that ended long ago is marked for removal, and a holder is requested", async () => {
  await using f = await fixture();
  const { runner } = await accept(f);
  expect(await look(f, 3 * day)).toBe(false);
  expect(await look(f)).toBe(true);
  expect(await getDesiredState(f, runner)).toBe("DESTROYED");
  expect((await f.db.select().from(runner_leases))[0]?.expires_at).not.toBeNull();
});

test("a runner with a commit that is not on the remote is kept, regardless of the state of its push", async () => {
  await using f = await fixture();
  const { task, run_id, runner } = await accept(f);
  for (const state of ["FAILED", "MIRRORED", "WANTED"] as const) {
    const push = { task_id: task.id, run_id, runner_id: runner, sha: "a", state };
    await f.db.insert(pushes).values(push).onConflictDoUpdate({ target: pushes.task_id, set: { state } });
    expect(await look(f)).toBe(false);
  }
  await f.db.update(pushes).set({ state: "PUSHED" });
  expect(await look(f)).toBe(true);
});

test("a runner whose task waits for a person is kept and does not hide older ones", async () => {
  await using f = await fixture();
  const kept = [await accept(f), await accept(f)];
  for (const { task } of kept) await f.db.update(tasks).set({ state: "REVIEW" }).where(eq(tasks.id, task.id));
  const old = await accept(f);
  expect(await look(f)).toBe(true);
  expect(await getDesiredState(f, old.runner)).toBe("DESTROYED");
  for (const { runner } of kept) expect(await getDesiredState(f, runner)).toBe("STOPPED");
});

test("the runner of a task that was archived long ago is marked for removal, whatever the task's state", async () => {
  await using f = await fixture();
  const { task, runner } = await accept(f);
  const isTask = eq(tasks.id, task.id);
  const archived_at = sql`now() - interval '2 days'`;
  await f.db.update(tasks).set({ state: "REVIEW", completed_at: null, archived_at }).where(isTask);
  expect(await look(f, 3 * day)).toBe(false);
  expect(await look(f)).toBe(true);
  expect(await getDesiredState(f, runner)).toBe("DESTROYED");
});
