import { and, eq, sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim, claimAll } from "../../../test/leases.ts";
import { LeaseLost } from "../../runners/index.ts";
import { adoptLeases, renewLeases, releaseIdleLease } from "../../runners/leases/lease.ts";
import { schema } from "../../store/index.ts";
import { getLeasedRun, updateLeasedRun } from "../state/lease.ts";

const { runner_leases, runners, runs, tasks } = schema;

const prompted = async (f: Fixture, n: number) => {
  for (let i = 0; i < n; i++) await f.prompt(await f.newTask());
};
const adopt = (f: Fixture, server_id: string, held: string[] = []) =>
  adoptLeases(f.db, { server_id, place: "here", held, limit: 100 });

describe("the queue", () => {
  test("gives slots by priority, then by age, and no more than there are", async () => {
    await using f = await fixture();
    const low = await f.newTask({ title: "low" });
    const high = await f.newTask({ title: "high", priority: 5 });
    const late = await f.newTask({ title: "late", priority: 5 });
    for (const task of [low, high, late]) await f.prompt(task);
    const first = await claim(f.db, "a", { maxRuns: 2 });
    expect(first.map(({ task_id }) => task_id)).toEqual([high.id, late.id]);
    expect(await claim(f.db, "a", { maxRuns: 2 })).toEqual([]);
    await f.db.update(runs).set({ slot: false }).where(eq(runs.task_id, high.id));
    expect((await claim(f.db, "a", { maxRuns: 2 })).map(({ task_id }) => task_id)).toEqual([low.id]);
  });

  test("gives no run to two servers, and no slot of all of them twice", async () => {
    await using f = await fixture();
    await prompted(f, 12);
    const servers = ["a", "b", "c", "d"];
    const claims = await Promise.all(servers.map((server) => claim(f.db, server, { maxRuns: 7, scope: "all" })));
    const ids = claims.flat().map(({ run_id }) => run_id);
    expect(ids).toHaveLength(7);
    expect(new Set(ids).size).toBe(7);
  });

  test("counts each server's own slots if the limit is per server", async () => {
    await using f = await fixture();
    await prompted(f, 5);
    expect(await claim(f.db, "a", { maxRuns: 2 })).toHaveLength(2);
    expect(await claim(f.db, "b", { maxRuns: 2 })).toHaveLength(2);
  });

  test("does not claim a run before its next attempt is due", async () => {
    await using f = await fixture();
    await prompted(f, 1);
    await f.db.update(runs).set({ next_attempt_at: sql`now() + interval '1 hour'` });
    expect(await claim(f.db, "a")).toEqual([]);
  });

  test("starts no more runners than allowed and reports that one is missing", async () => {
    await using f = await fixture();
    await prompted(f, 3);
    const { claimed, needsRunner } = await claimAll(f.db, "a", { maxRunners: 2 });
    expect(claimed).toHaveLength(2);
    expect(needsRunner).toBe(true);
    await f.db
      .update(runners)
      .set({ state: "STOPPED", desired: "STOPPED" })
      .where(eq(runners.id, claimed[0]!.lease.runner_id));
    expect((await claimAll(f.db, "a", { maxRunners: 2 })).claimed).toHaveLength(1);
  });
});

describe("the runner of a task's next run", () => {
  const next = async (f: Fixture, change: Partial<typeof runners.$inferInsert>) => {
    const task = await f.newTask();
    await f.prompt(task);
    const [first] = await claim(f.db, "a");
    await f.db.update(runs).set({ status: "COMPLETED", slot: false });
    const state = { state: "STOPPED", desired: "STOPPED" } as const;
    await f.db
      .update(runners)
      .set({ ...state, ...change })
      .where(eq(runners.id, first!.lease.runner_id));
    await f.prompt(task);
    return { first: first!.lease };
  };

  test("is the previous run's runner, with its desired state READY again", async () => {
    await using f = await fixture();
    const { first } = await next(f, {});
    await releaseIdleLease(f.db, first);
    const [second] = await claim(f.db, "b");
    expect(second?.lease).toEqual({ runner_id: first.runner_id, server_id: "b", epoch: first.epoch + 1 });
    expect(await f.db.select().from(runners)).toMatchObject([{ desired: "READY" }]);
  });

  test("is left to the server that holds it", async () => {
    await using f = await fixture();
    const { first } = await next(f, {});
    expect(await claim(f.db, "b")).toEqual([]);
    expect((await claim(f.db, "a"))[0]?.lease).toEqual(first);
  });

  test("is a new one if the old one is broken or no server can reach it", async () => {
    await using f = await fixture();
    const broken = await next(f, { error_message: "hostile" });
    expect((await claim(f.db, "a"))[0]?.lease.runner_id).not.toBe(broken.first.runner_id);
    const far = await next(f, {});
    await f.db
      .update(runner_leases)
      .set({ place: "elsewhere" })
      .where(eq(runner_leases.runner_id, far.first.runner_id));
    expect((await claim(f.db, "a"))[0]?.lease.runner_id).not.toBe(far.first.runner_id);
  });

  test("is waited for if another server can reach it", async () => {
    await using f = await fixture();
    const { first } = await next(f, {});
    await f.db.update(runner_leases).set({ place: "elsewhere" });
    await f.db.insert(schema.servers).values({ id: "b", address: "http://127.0.0.1:1", place: "elsewhere" });
    expect(await claim(f.db, "a")).toEqual([]);
    await releaseIdleLease(f.db, first);
    expect((await claim(f.db, "b", { place: "elsewhere" }))[0]?.lease.runner_id).toBe(first.runner_id);
  });
});

describe("a lease", () => {
  test("that was taken over prevents all writes of its first holder", async () => {
    await using f = await fixture();
    await prompted(f, 1);
    const [mine] = await claim(f.db, "a");
    await f.db.update(runner_leases).set({ expires_at: sql`now() - interval '1 second'` });
    const [lease] = await adopt(f, "b");
    expect(lease?.epoch).toBe((mine?.lease.epoch ?? 0) + 1);
    await expect(updateLeasedRun(f.db, mine!, { phase: "clone" })).rejects.toThrow(LeaseLost);
    await expect(getLeasedRun(f.db, mine!)).rejects.toThrow(LeaseLost);
    expect(await renewLeases(f.db, "a", [mine!.lease])).toEqual(new Set([mine!.lease.runner_id]));
    await updateLeasedRun(f.db, { ...mine!, lease: lease! }, { phase: "clone" });
  });

  test("that is valid is not adopted, and its own server adopts it only if no process holds it", async () => {
    await using f = await fixture();
    await prompted(f, 1);
    const [mine] = await claim(f.db, "a");
    expect(await adopt(f, "a")).toEqual([]);
    expect(await adopt(f, "b")).toEqual([]);
    await f.db.update(runner_leases).set({ expires_at: sql`now() - interval '1 second'` });
    expect(await adopt(f, "a", [mine!.lease.runner_id])).toEqual([]);
    expect(await adopt(f, "a")).toHaveLength(1);
  });

  test("is never adopted from another place", async () => {
    await using f = await fixture();
    await prompted(f, 1);
    await claim(f.db, "a");
    await f.db.update(runner_leases).set({ expires_at: sql`now() - interval '1 second'`, place: "elsewhere" });
    expect(await adopt(f, "b")).toEqual([]);
  });

  test("of a stopped runner is due again as soon as there is work for it", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    const [mine] = await claim(f.db, "a");
    await f.db.update(runners).set({ state: "STOPPED", desired: "STOPPED" });
    await f.db.update(runs).set({ status: "RUNNING", slot: false });
    expect(await releaseIdleLease(f.db, mine!.lease)).toEqual({ isDue: false });
    expect(await adopt(f, "b")).toEqual([]);
    await f.commands.stop(task.id, "REVIEW", { by: f.owner.user_id });
    expect(await adopt(f, "b")).toHaveLength(1);
  });

  test("is not released for good while its runner has work", async () => {
    await using f = await fixture();
    await prompted(f, 1);
    const [mine] = await claim(f.db, "a");
    await f.db.update(runners).set({ state: "STOPPED", desired: "STOPPED" });
    const { run_id, task_id, lease } = mine!;
    await f.db.insert(schema.pushes).values({ task_id, run_id, runner_id: lease.runner_id, sha: "a", state: "WANTED" });
    expect(await releaseIdleLease(f.db, lease)).toEqual({ isDue: true });
    expect(await adopt(f, "b")).toHaveLength(1);
  });

  test("is renewed despite another locked row, whose renewal comes next time", async () => {
    await using f = await fixture();
    await prompted(f, 2);
    const claims = await claim(f.db, "a");
    const before = sql`now() + interval '5 seconds'`;
    await f.db.update(runner_leases).set({ expires_at: before });
    const held = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const [first] = claims;
    const holding = f.db.transaction(async (tx) => {
      await tx.select().from(runner_leases).where(eq(runner_leases.runner_id, first!.lease.runner_id)).for("update");
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    const leases = claims.map(({ lease }) => lease);
    expect(await renewLeases(f.db, "a", leases)).toEqual(new Set());
    const renewed = await f.db
      .select()
      .from(runner_leases)
      .where(and(sql`expires_at > now() + interval '10 seconds'`));
    expect(renewed.map(({ runner_id }) => runner_id)).toEqual([claims[1]!.lease.runner_id]);
    held.resolve();
    await holding;
  });

  test("is lost with its task", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    const [lease] = await claim(f.db, "a");
    await f.db.delete(tasks).where(eq(tasks.id, task.id));
    await expect(getLeasedRun(f.db, lease!)).rejects.toThrow(LeaseLost);
  });
});
