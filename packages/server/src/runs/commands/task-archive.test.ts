import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { schema } from "../../store/index.ts";
import { TaskArchive } from "./task-archive.ts";

const { runs, tasks } = schema;

const createArchive = (f: Fixture) => new TaskArchive(f.log, () => undefined);
const listIds = async (f: Fixture, filter: { archived?: boolean; state?: "TODO" } = {}) => {
  const { tasks: listed, total } = await f.tasks.list(f.owner, { limit: 10, offset: 0, ...filter });
  expect(total).toBe(listed.length);
  return listed.map(({ id }) => id);
};

test("an archived task is in the list of archived tasks only, until it is restored", async () => {
  await using f = await fixture();
  const [kept, archived] = [await f.newTask(), await f.newTask()];
  const archive = createArchive(f);
  const by = f.owner.user_id;
  await archive.archive(archived.id, { by });
  await archive.archive(archived.id, { by });
  expect([await listIds(f), await listIds(f, { archived: true })]).toEqual([[kept.id], [archived.id]]);
  expect(await listIds(f, { state: "TODO" })).toEqual([kept.id]);
  expect(await f.tasks.find(f.owner, archived.id)).toMatchObject({ archived_at: expect.any(Date) });
  await archive.restore(archived.id, { by });
  await archive.restore(archived.id, { by });
  expect([await listIds(f), await listIds(f, { archived: true })]).toEqual([[archived.id, kept.id], []]);
  const updates = (await f.log.read(archived.id, 0, 10)).filter(({ data }) => data.kind === "update");
  expect(updates.map(({ data }) => data)).toEqual([
    { kind: "update", fields: ["archived_at"], values: { archived_at: expect.any(String) } },
    { kind: "update", fields: ["archived_at"], values: {} },
  ]);
});

test("an archived task accepts no prompt until it is restored", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  const archive = createArchive(f);
  await archive.archive(task.id, { by: f.owner.user_id });
  await expect(f.prompt(task)).rejects.toMatchObject({ code: "task_archived" });
  expect(await f.db.$count(runs)).toBe(0);
  await archive.restore(task.id, { by: f.owner.user_id });
  expect(await f.prompt(task)).toMatchObject({ state: "QUEUED" });
});

test("a task whose work has not ended cannot be archived", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  await f.prompt(task);
  for (const state of ["IN_PROGRESS", "BLOCKED"] as const) {
    await f.db.update(tasks).set({ state });
    await expect(createArchive(f).archive(task.id, { by: f.owner.user_id })).rejects.toMatchObject({
      code: "task_at_work",
      context: { state },
    });
  }
});

test("the run of an agent that waits for its next prompt ends", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  await f.prompt(task);
  const [claimed] = await claim(f.db, "a");
  await f.db.update(runs).set({ status: "RUNNING", slot: false, queued_at: null });
  await f.db.update(tasks).set({ state: "REVIEW" }).where(eq(tasks.id, task.id));
  await createArchive(f).archive(task.id, { by: f.owner.user_id });
  expect(await f.db.select().from(runs)).toMatchObject([
    { id: claimed!.run_id, desired: "STOP", stop_status: "STOPPED", stop_reason: "the task was archived" },
  ]);
  expect(await f.tasks.find(f.owner, task.id)).toMatchObject({ state: "REVIEW" });
});
