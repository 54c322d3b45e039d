import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { addPerson, addWaitingRuns } from "../../../test/people.ts";
import { schema } from "../../store/index.ts";
import { Queue } from "./queue.ts";
import { RunLimits } from "./run-limits.ts";

const { runs } = schema;

describe("limits of running turns", () => {
  test("hold back the runs of a board, a user or an organization, and no other run", async () => {
    await using f = await fixture();
    const people = [
      await addPerson(f, "ada"),
      await addPerson(f, "bob"),
      await addPerson(f, "zoe", crypto.randomUUID()),
    ];
    const [ada, bob, zoe] = people;
    for (const person of people) await addWaitingRuns(f, person, { count: 20 });
    const limits = new RunLimits(f.db, { defaults: {}, onChange: () => undefined });
    await limits.set(ada!, { user: "ada", max_runs: 1 });
    await limits.set(bob!, { board_id: bob!.board_id, max_runs: 2 });
    await limits.set(zoe!, { max_runs: 3 });
    expect(await claim(f.db, "a", { maxRuns: 30, scope: "all" })).toHaveLength(6);
    const queue = new Queue(f.db, { maxRuns: 30, scope: "all" });
    for (const [person, expected] of [
      [ada, { waits_for: "user_limit", reason: "The limit of 1 running turn of the user is reached." }],
      [bob, { waits_for: "board_limit", reason: "The limit of 2 running turns of the board is reached." }],
      [
        zoe,
        { waits_for: "organization_limit", reason: "The limit of 3 running turns of the organization is reached." },
      ],
    ] as const)
      expect((await queue.list(person!, { limit: 1 })).tasks).toMatchObject([{ ...expected, position: null }]);
    expect((await limits.list({ ...ada!, role: "admin" }, { limit: 10 })).rows).toMatchObject([
      { scope: "user", name: "ada", max_runs: 1, running: 1 },
      { scope: "board", name: "bob's board", max_runs: 2, running: 2 },
    ]);
    expect((await limits.list(ada!, { limit: 10 })).rows).toMatchObject([{ name: "ada" }]);
    await limits.set(ada!, { user: ada!.user_id, max_runs: 4 });
    expect(await claim(f.db, "a", { maxRuns: 30, scope: "all" })).toHaveLength(3);
  });

  test("of a tier hold back the organization's runs of that size, and those of no other one", async () => {
    await using f = await fixture();
    const people = [await addPerson(f, "ada"), await addPerson(f, "zoe", crypto.randomUUID())];
    for (const person of people) await addWaitingRuns(f, person, { count: 6 });
    const [ada, zoe] = people;
    await f.pool.query(
      "update runs set tier = 'large' where id in (select id from runs where board_id = $1 order by queued_at limit 4)",
      [ada!.board_id],
    );
    await f.db.update(runs).set({ tier: "large" }).where(eq(runs.board_id, zoe!.board_id));
    const limits = new RunLimits(f.db, { defaults: {}, onChange: () => undefined });
    await limits.set(ada!, { max_runs: 9 });
    await limits.set(ada!, { tier: "large", max_runs: 3 });
    await limits.set(ada!, { tier: "large", max_runs: 1 });
    expect(await claim(f.db, "a", { maxRuns: 30, scope: "all" })).toHaveLength(6 + 3);
    const queue = new Queue(f.db, { maxRuns: 30, scope: "all" });
    const { tasks } = await queue.list(ada!, { limit: 10 });
    const reason = "The limit of 1 running turn of the tier large is reached.";
    expect(tasks.map(({ waits_for, reason }) => [waits_for, reason])).toEqual(Array(3).fill(["tier_limit", reason]));
    expect((await limits.list(ada!, { limit: 10 })).rows).toMatchObject([
      { scope: "organization", max_runs: 9, running: 3 },
      { scope: "tier", tier: "large", name: "large", max_runs: 1, running: 1 },
    ]);
  });

  test("are never exceeded by several servers that claim at once", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    await addWaitingRuns(f, ada, { count: 30 });
    const shares = { perUser: 5 };
    const claims = await Promise.all(["a", "b", "c"].map((id) => claim(f.db, id, { maxRuns: 10, shares })));
    expect(claims.flat()).toHaveLength(5);
  });

  test("leave free slots to the users behind", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    const bob = await addPerson(f, "bob");
    await addWaitingRuns(f, ada, { count: 100, priority: 5 });
    await addWaitingRuns(f, bob, { count: 10 });
    expect(await claim(f.db, "a", { maxRuns: 8, shares: { perBoard: 3 } })).toHaveLength(6);
    expect(await f.db.select().from(runs).where(eq(runs.slot, true))).toHaveLength(6);
  });

  test("replace the server's defaults, but an organization cannot raise its own", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    await addWaitingRuns(f, ada, { count: 20 });
    const limits = new RunLimits(f.db, { defaults: {}, onChange: () => undefined });
    const { id } = await limits.set(ada, { user: "ada", max_runs: 6 });
    await limits.set(ada, { max_runs: 10 });
    const shares = { perUser: 2, perOrganization: 4 };
    expect(await claim(f.db, "a", { maxRuns: 20, shares })).toHaveLength(4);
    await limits.remove(ada, id);
    expect(await claim(f.db, "a", { maxRuns: 20, shares: { ...shares, perOrganization: 20 } })).toEqual([]);
    await expect(limits.remove(ada, id)).rejects.toMatchObject({ code: "run_limit_not_found" });
    await expect(limits.set(ada, { user: "eve", max_runs: 1 })).rejects.toMatchObject({
      code: "run_limit_user_not_found",
    });
  });
});

test("a run for which a slot but no runner is free waits for a runner", async () => {
  await using f = await fixture();
  const ada = await addPerson(f, "ada");
  await addWaitingRuns(f, ada, { count: 3 });
  const limits = { maxRuns: 4, maxRunners: 2, scope: "all" } as const;
  expect(await claim(f.db, "a", limits)).toHaveLength(2);
  const read = async (more: { maxRuns?: number; maxRunners?: number }) =>
    (await new Queue(f.db, { ...limits, ...more }).list(ada, { limit: 1 })).tasks[0];
  expect(await read({})).toMatchObject({
    position: 1,
    waits_for: "runner",
    reason: "All 2 runners that WHARF_MAX_RUNNERS allows are in use.",
  });
  expect(await read({ maxRuns: 2 })).toMatchObject({ waits_for: "slot" });
  expect(await read({ maxRunners: 3 })).toMatchObject({ waits_for: "slot" });
});

test("a paused queue gives no slots, says why, and gives them when it is resumed", async () => {
  await using f = await fixture();
  const ada = await addPerson(f, "ada");
  await addWaitingRuns(f, ada, { count: 2 });
  let changes = 0;
  const queue = new Queue(f.db, { maxRuns: 1, scope: "all", onChange: () => changes++ });
  await queue.pause({ by: ada.user_id, reason: "an upgrade" });
  await queue.pause({ by: ada.user_id, reason: "maintenance" });
  expect(await claim(f.db, "a")).toEqual([]);
  const { tasks } = await queue.list(ada, { limit: 10 });
  expect(tasks[0]).toMatchObject({ position: 1, waits_for: "pause", reason: "The queue is paused: maintenance" });
  expect(await queue.readState()).toMatchObject({ slots: 1, running_turns: 0, pause: { reason: "maintenance" } });
  await queue.resume();
  expect(changes).toBe(1);
  expect(await claim(f.db, "a", { maxRuns: 1 })).toHaveLength(1);
  expect(await queue.find(tasks[1]!.task_id)).toMatchObject({ waits_for: "slot", reason: "The only slot is in use." });
  expect(await queue.find(tasks[0]!.task_id)).toBeUndefined();
});
