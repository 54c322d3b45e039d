import { eq, sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { fixture } from "../../test/fixture.ts";
import { schema } from "../store/index.ts";
import { adoptRuns, claimQueued, LeaseLost, readLeased, renewLeases, updateLeased } from "./lease.ts";

const { runs, tasks } = schema;

describe("the queue", () => {
  // K-003, K-054
  it("gives slots by priority, then by age, and no more than there are", async () => {
    await using f = await fixture();
    const low = await f.newTask({ title: "low" });
    const high = await f.newTask({ title: "high", priority: 5 });
    const late = await f.newTask({ title: "late", priority: 5 });
    for (const task of [low, high, late]) await f.prompt(task);
    const first = await claimQueued(f.db, "a", 2);
    expect(first.leases.map((lease) => lease.task_id).toSorted()).toEqual([high.id, late.id].toSorted());
    expect((await claimQueued(f.db, "a", 2)).leases).toEqual([]);
    await f.db.update(runs).set({ slot: false }).where(eq(runs.task_id, high.id));
    expect((await claimQueued(f.db, "a", 2)).leases.map((lease) => lease.task_id)).toEqual([low.id]);
  });

  it("gives no run to two servers and no slot twice", async () => {
    await using f = await fixture();
    for (let i = 0; i < 12; i++) await f.prompt(await f.newTask());
    const claims = await Promise.all(["a", "b", "c", "d"].map((owner) => claimQueued(f.db, owner, 7)));
    const ids = claims.flatMap((claim) => claim.leases.map((lease) => lease.run_id));
    expect(ids).toHaveLength(7);
    expect(new Set(ids).size).toBe(7);
  });

  it("leaves a run alone until its next attempt is due", async () => {
    await using f = await fixture();
    await f.prompt(await f.newTask());
    await f.db.update(runs).set({ next_attempt_at: sql`now() + interval '1 hour'` });
    expect((await claimQueued(f.db, "a", 5)).leases).toEqual([]);
  });
});

describe("a lease", () => {
  it("that was taken over lets its first holder write nothing more", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    const [mine] = (await claimQueued(f.db, "a", 5)).leases;
    await f.db.update(runs).set({ lease_expires_at: sql`now() - interval '1 second'` });
    const [theirs] = await adoptRuns(f.db, "b", []);
    expect(theirs?.epoch).toBe((mine?.epoch ?? 0) + 1);
    await expect(updateLeased(f.db, mine!, { phase: "clone" })).rejects.toThrow(LeaseLost);
    await expect(readLeased(f.db, mine!)).rejects.toThrow(LeaseLost);
    expect(await renewLeases(f.db, "a", [mine!.run_id])).toEqual(new Set());
    await updateLeased(f.db, theirs!, { phase: "clone" });
  });

  it("of an earlier process of the same server is taken up at once, one that is driven is not", async () => {
    await using f = await fixture();
    await f.prompt(await f.newTask());
    const [lease] = (await claimQueued(f.db, "a", 5)).leases;
    expect(await adoptRuns(f.db, "a", [lease!.run_id])).toEqual([]);
    expect(await adoptRuns(f.db, "b", [])).toEqual([]);
    expect(await adoptRuns(f.db, "a", [])).toHaveLength(1);
  });

  it("that is renewed leaves the run's time of change alone", async () => {
    await using f = await fixture();
    await f.prompt(await f.newTask());
    const [lease] = (await claimQueued(f.db, "a", 5)).leases;
    const before = await readLeased(f.db, lease!);
    await renewLeases(f.db, "a", [lease!.run_id]);
    const after = await readLeased(f.db, lease!);
    expect(after.updated_at).toEqual(before.updated_at);
    expect(after.lease_expires_at!.getTime()).toBeGreaterThan(before.lease_expires_at!.getTime());
  });

  it("is gone with its task", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    const [lease] = (await claimQueued(f.db, "a", 5)).leases;
    await f.db.delete(tasks).where(eq(tasks.id, task.id));
    await expect(readLeased(f.db, lease!)).rejects.toThrow(LeaseLost);
  });
});
