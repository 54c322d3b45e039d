import { eq, inArray } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { addPerson, addWaitingRuns, type Person } from "../../../test/people.ts";
import { schema } from "../../store/index.ts";
import { Queue, type QueuedTask } from "./queue.ts";

const { runs } = schema;
const limits = { maxRuns: 4, scope: "all" } as const;

/** Ends the turns of runs, as their journals would. */
const freeSlots = (f: Fixture, ids: readonly string[]) =>
  f.db
    .update(runs)
    .set({ slot: false, status: "COMPLETED" })
    .where(inArray(runs.id, [...ids]));

/** Claims all free slots of a server; returns whose runs got them, in order. */
async function claimFor(f: Fixture, people: Readonly<Record<string, Person>>, maxRuns: number): Promise<string[]> {
  const claimed = await claim(f.db, "a", { maxRuns, scope: "all" });
  const names = new Map(Object.entries(people).map(([name, { user_id }]) => [user_id, name]));
  const owners: string[] = [];
  for (const { run_id } of claimed) {
    const [run] = await f.db.select().from(runs).where(eq(runs.id, run_id));
    owners.push(names.get(run?.user_id ?? "") ?? "?");
  }
  return owners;
}

describe("fair share", () => {
  test("a user with 500 waiting tasks never delays another user's first task by more than one slot", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    const people = { ada, bob: await addPerson(f, "bob"), eve: await addPerson(f, "eve") };
    await addWaitingRuns(f, ada, { count: 500 });
    const first = await claim(f.db, "a", { maxRuns: 4, scope: "all" });
    expect(first).toHaveLength(4);
    await addWaitingRuns(f, people.bob);
    await addWaitingRuns(f, people.eve, { count: 2 });
    await freeSlots(f, [first[0]!.run_id]);
    expect(await claimFor(f, people, 4)).toEqual(["bob"]);
    await freeSlots(f, [first[1]!.run_id, first[2]!.run_id]);
    // Ada, who has one slot left, has waited longer than Eve, who then has one too.
    expect(await claimFor(f, people, 4)).toEqual(["eve", "ada"]);
  });

  test("users and organizations without a slot get the only one in turn, however old their tasks are", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    const zoe = await addPerson(f, "zoe", crypto.randomUUID());
    await addWaitingRuns(f, ada, { count: 5 });
    const people = { ada, bob: await addPerson(f, "bob"), zoe };
    await addWaitingRuns(f, people.bob, { count: 2 });
    await addWaitingRuns(f, zoe, { count: 2 });
    const order: string[] = [];
    for (let n = 0; n < 9; n++) {
      order.push(...(await claimFor(f, people, 1)));
      await f.db.update(runs).set({ slot: false, status: "COMPLETED" }).where(eq(runs.slot, true));
    }
    expect(order).toEqual(["ada", "zoe", "bob", "zoe", "ada", "bob", "ada", "ada", "ada"]);
  });

  test("the slots that several servers give at once are shared too", async () => {
    await using f = await fixture();
    const people = { ada: await addPerson(f, "ada"), bob: await addPerson(f, "bob") };
    await addWaitingRuns(f, people.ada, { count: 500 });
    await addWaitingRuns(f, people.bob, { count: 500 });
    const claims = await Promise.all(["a", "b", "c"].map((id) => claim(f.db, id, { maxRuns: 20, scope: "all" })));
    expect(claims.flat()).toHaveLength(20);
    const held = await f.db.select().from(runs).where(eq(runs.slot, true));
    expect(held.filter(({ user_id }) => user_id === people.ada.user_id)).toHaveLength(10);
  });

  test("organizations share the slots first, then each organization's users", async () => {
    await using f = await fixture();
    const other = crypto.randomUUID();
    const people = {
      ada: await addPerson(f, "ada"),
      bob: await addPerson(f, "bob"),
      zoe: await addPerson(f, "zoe", other),
    };
    for (const person of Object.values(people)) await addWaitingRuns(f, person, { count: 10 });
    expect(await claimFor(f, people, 8)).toEqual(["ada", "zoe", "bob", "zoe", "ada", "zoe", "bob", "zoe"]);
  });

  test("a higher priority goes first, and counts for the runs behind it", async () => {
    await using f = await fixture();
    const people = { ada: await addPerson(f, "ada"), bob: await addPerson(f, "bob") };
    await addWaitingRuns(f, people.ada, { count: 2 });
    await addWaitingRuns(f, people.ada, { count: 2, priority: 5 });
    await addWaitingRuns(f, people.bob, { count: 2 });
    expect(await claimFor(f, people, 6)).toEqual(["ada", "ada", "bob", "bob", "ada", "ada"]);
  });
});

describe("the list of the queue", () => {
  test("shows the order in which the next claims take the runs, and each visible run once", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    await addWaitingRuns(f, ada, { count: 20 });
    await addWaitingRuns(f, await addPerson(f, "bob"), { count: 10 });
    const [retried] = await addWaitingRuns(f, ada);
    await f.db
      .update(runs)
      .set({ next_attempt_at: new Date(Date.now() + 3_600_000) })
      .where(eq(runs.id, retried!));
    const queue = new Queue(f.db, limits);
    const listed: QueuedTask[] = [];
    for (let cursor: string | undefined, isLast = false; !isLast;) {
      const page = await queue.list(ada, { limit: 8, cursor });
      expect(page.total).toBe(21);
      listed.push(...page.tasks);
      cursor = page.next_cursor;
      isLast = cursor === undefined;
    }
    const expected = [
      ...Array.from({ length: 10 }, (_, n) => 2 * n + 1),
      ...Array.from({ length: 10 }, (_, n) => 21 + n),
    ];
    expect(listed.map(({ position }) => position)).toEqual([...expected, null]);
    expect(new Set(listed.map(({ task_id }) => task_id)).size).toBe(21);
    const claimed = await claim(f.db, "a", { maxRuns: 5 });
    const own = claimed.map(({ task_id }) => task_id).filter((id) => listed.some(({ task_id }) => task_id === id));
    expect(own).toEqual(listed.slice(0, 3).map(({ task_id }) => task_id));
    expect(listed[20]).toMatchObject({ waits_for: "retry", reason: expect.stringContaining("The next one is at") });
    expect(await queue.list(ada, { limit: 1, offset: 500 })).toEqual({ tasks: [], total: 18 });
  });
});
