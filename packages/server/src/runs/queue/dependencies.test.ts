import { WharfError } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { addPerson } from "../../../test/people.ts";
import { schema } from "../../store/index.ts";
import { TaskDependencies, type TaskRow } from "../../tasks/index.ts";
import { Queue } from "./queue.ts";

const { runs, tasks } = schema;
const getErrorCode = (thrown: unknown) => (thrown instanceof WharfError ? thrown.code : String(thrown));

const createDependencies = (f: Fixture) =>
  new TaskDependencies(f.db, { tasks: f.tasks, log: f.log, onChange: () => undefined });
const setState = (f: Fixture, { id }: TaskRow, state: TaskRow["state"]) =>
  f.db.update(tasks).set({ state }).where(eq(tasks.id, id));
const findWait = (f: Fixture, { id }: TaskRow) => new Queue(f.db, { maxRuns: 4, scope: "all" }).find(id);
const claimTasks = async (f: Fixture) => (await claim(f.db, "a")).map(({ task_id }) => task_id);

/** Creates tasks that a person has prompted, and lets the first one wait for all others. */
async function createWaitingTask(f: Fixture, count = 1): Promise<{ waiting: TaskRow; needed: TaskRow[] }> {
  const waiting = await f.newTask();
  const needed: TaskRow[] = [];
  for (let n = 0; n < count; n++) {
    const task = await f.newTask();
    await createDependencies(f).add(f.owner, { task: waiting, dependsOn: task.id });
    needed.push(task);
  }
  await f.prompt(waiting);
  return { waiting, needed };
}

describe("a task that depends on others", () => {
  test("starts when all of them are COMPLETED, and says until then what it waits for", async () => {
    await using f = await fixture();
    const { waiting, needed } = await createWaitingTask(f, 2);
    const [first, second] = needed as [TaskRow, TaskRow];
    await setState(f, first, "COMPLETED");
    for (const [state, text] of [
      ["TODO", "not started"],
      ["IN_PROGRESS", "in progress"],
      ["REVIEW", "to be accepted"],
      ["FAILED", "failed"],
      ["CANCELLED", "cancelled"],
    ] as const) {
      await setState(f, second, state);
      const reason = `It waits for the task ${second.id.slice(0, 8)} (${text}).`;
      expect(await findWait(f, waiting)).toMatchObject({ waits_for: "dependency", reason, position: null });
      expect(await claimTasks(f)).toEqual([]);
    }
    await setState(f, second, "COMPLETED");
    expect(await findWait(f, waiting)).toMatchObject({ waits_for: "slot", position: 1 });
    expect(await claimTasks(f)).toEqual([waiting.id]);
  });

  test("still waits for a task that was deleted, until a person removes the dependency", async () => {
    await using f = await fixture();
    const { waiting, needed } = await createWaitingTask(f);
    const [{ id }] = needed as [TaskRow];
    await f.commands.delete(id);
    const reason = `It waits for the task ${id.slice(0, 8)} (deleted).`;
    expect(await findWait(f, waiting)).toMatchObject({ waits_for: "dependency", reason });
    await f.db.delete(tasks).where(eq(tasks.id, id));
    expect(await findWait(f, waiting)).toMatchObject({ reason });
    const dependencies = createDependencies(f);
    expect(await dependencies.list(f.owner, waiting)).toEqual([{ task_id: id, is_open: true }]);
    expect(await dependencies.remove(f.owner, { task: waiting, dependsOn: id.slice(0, 8) })).toEqual([]);
    expect(await claimTasks(f)).toEqual([waiting.id]);
  });

  test("waits also if the dependency is added while it waits for a slot, and not after its agent has worked", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const other = await f.newTask();
    await f.prompt(task);
    await createDependencies(f).add(f.owner, { task, dependsOn: other.id });
    expect(await findWait(f, task)).toMatchObject({ waits_for: "dependency" });
    await f.db.update(runs).set({ prompted: true, status: "COMPLETED", queued_at: null });
    await f.db.execute(sql`update turns set state = 'ENDED'`);
    await f.prompt(task);
    expect(await findWait(f, task)).toMatchObject({ waits_for: "slot" });
  });

  test("starts before they are completed if a person ignores them", async () => {
    await using f = await fixture();
    const { waiting } = await createWaitingTask(f);
    const prompt = { text: "go on", by: f.owner.user_id, agent_type: "demo", ignoresDependencies: true };
    const turn = await f.commands.trigger(waiting.id, prompt, { isFirst: false });
    expect(turn.prompt).toBe("go on");
    expect(await f.db.$count(schema.turns)).toBe(1);
    expect(await claimTasks(f)).toEqual([waiting.id]);
    const fresh = await createWaitingTask(f);
    await f.db.update(runs).set({ status: "STOPPED", queued_at: null }).where(eq(runs.task_id, fresh.waiting.id));
    await f.db.execute(sql`update turns set state = 'CANCELLED' where task_id = ${fresh.waiting.id}`);
    await f.commands.trigger(fresh.waiting.id, prompt, { isFirst: false });
    expect(await claimTasks(f)).toEqual([fresh.waiting.id]);
  });
});

describe("dependencies", () => {
  test("never form a cycle, also if people add its parts at once", async () => {
    await using f = await fixture();
    const dependencies = createDependencies(f);
    const self = await f.newTask();
    expect(await dependencies.add(f.owner, { task: self, dependsOn: self.id }).catch(getErrorCode)).toBe(
      "dependency_cycle",
    );
    for (let round = 0; round < 5; round++) {
      const circle = await Promise.all([f.newTask(), f.newTask(), f.newTask()]);
      const added = await Promise.all(
        circle.map((task, n) =>
          dependencies.add(f.owner, { task, dependsOn: circle[(n + 1) % 3]!.id }).then(() => "added", getErrorCode),
        ),
      );
      expect(added.filter((outcome) => outcome === "added")).toHaveLength(2);
      expect(added).toContain("dependency_cycle");
    }
  });

  test("name only tasks that the person sees, and show their titles to no other", async () => {
    await using f = await fixture();
    const dependencies = createDependencies(f);
    const [ada, zoe] = [await addPerson(f, "ada"), await addPerson(f, "zoe", crypto.randomUUID())];
    const toScope = (person: typeof ada) => ({ ...person, is_operator: false, needs: "task:write" as const });
    const createTask = (person: typeof ada, title: string) =>
      f.tasks.create(person.user_id, person.board_id, { title, description: "do it", priority: 0 });
    const own = await createTask(ada, "own");
    const secret = await f.newTask({ title: "secret" });
    const foreign = await createTask(zoe, "foreign");
    for (const { id } of [secret, foreign])
      expect(await dependencies.add(toScope(ada), { task: own, dependsOn: id }).catch(getErrorCode)).toBe(
        "dependency_not_found",
      );
    expect(await dependencies.findIds(toScope(ada), [secret.id]).catch(getErrorCode)).toBe("dependency_not_found");
    await dependencies.add(f.owner, { task: own, dependsOn: secret.id });
    expect(await dependencies.list(ada, own)).toEqual([{ task_id: secret.id, state: "TODO", is_open: true }]);
    expect(await dependencies.list(f.owner, own)).toMatchObject([{ title: "secret" }]);
    expect([...(await dependencies.findOpen([own.id, secret.id]))]).toEqual([[own.id, [secret.id]]]);
  });

  test("of a new task are limited in number, and exist from its creation", async () => {
    await using f = await fixture();
    const dependencies = createDependencies(f);
    const needed = await Promise.all(Array.from({ length: 51 }, () => f.newTask()));
    const neededIds = await dependencies.findIds(
      f.owner,
      needed.slice(0, 50).map(({ id }) => id),
    );
    const input = { title: "last", description: "do it", priority: 0, depends_on: neededIds };
    const task = await f.tasks.create(f.owner.user_id, f.owner.default_board_id, input);
    expect(await dependencies.list(f.owner, task)).toHaveLength(50);
    const more = dependencies.add(f.owner, { task, dependsOn: needed[50]!.id });
    expect(await more.catch(getErrorCode)).toBe("dependencies_full");
  });
});
