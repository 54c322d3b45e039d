import { randomUUID } from "node:crypto";
import type { BoardRole } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import type { Scope } from "../../access/index.ts";
import { getVisibleRunner } from "../../runners/standalone/standalone-rows.ts";
import { RunQueries } from "../../runs/index.ts";
import { schema } from "../../store/index.ts";
import { findRunner, findTaskRunner, type WorkspaceModules } from "./find-runner.ts";

const { board_members, memberships, runners, runs, users } = schema;

async function addPerson(f: Fixture, boardRole: BoardRole): Promise<Scope> {
  const user_id = randomUUID();
  const { organization_id, default_board_id: board_id } = f.owner;
  await f.db.insert(users).values({ id: user_id, username: boardRole, email: `${boardRole}@example.org` });
  await f.db.insert(memberships).values({ organization_id, user_id, role: "member" });
  await f.db.insert(board_members).values({ board_id, user_id, role: boardRole });
  return { user_id, username: "ada", organization_id, role: "member", is_operator: false, needs: "workspace:read" };
}

const createModules = (f: Fixture): WorkspaceModules => {
  const modules: Pick<WorkspaceModules, "tasks" | "queries" | "commands"> = {
    tasks: f.tasks,
    queries: new RunQueries(f.db),
    commands: f.commands,
  };
  const standaloneRunners = { get: (scope: Scope, id: string) => getVisibleRunner(f.db, scope, id) };
  // The runner of a run needs no other module.
  return { ...modules, standaloneRunners } as WorkspaceModules;
};

test("a stopped runner starts for those who may run commands in it, and not for readers", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  await f.prompt(task);
  const id = randomUUID();
  const { default_board_id: board_id } = f.owner;
  await f.db
    .insert(runners)
    .values({ id, backend: "mock", tier: "small", board_id, state: "STOPPED", desired: "STOPPED" });
  await f.db.update(runs).set({ runner_id: id, status: "RUNNING" });
  const modules = createModules(f);
  const getDesired = async () => (await f.db.select().from(runners).where(eq(runners.id, id)))[0]?.desired;

  const viewer = await addPerson(f, "viewer");
  for (const find of [() => findTaskRunner(modules, viewer, task.id), () => findRunner(modules, viewer, id)])
    await expect(find()).rejects.toMatchObject({ code: "permission_missing" });
  expect(await getDesired()).toBe("STOPPED");

  expect((await findTaskRunner(modules, await addPerson(f, "editor"), task.id)).id).toBe(id);
  expect(await getDesired()).toBe("READY");
  expect((await findTaskRunner(modules, viewer, task.id)).id).toBe(id);
});

test("a task without a workspace has an error for each reason", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  const find = () => findTaskRunner(createModules(f), f.owner, task.id);
  await expect(find()).rejects.toMatchObject({ code: "workspace_missing" });
  await f.prompt(task);
  await expect(find()).rejects.toMatchObject({ code: "workspace_missing" });
  const id = randomUUID();
  const { default_board_id: board_id } = f.owner;
  await f.db.insert(runners).values({ id, backend: "mock", tier: "small", board_id, state: "STOPPED" });
  await f.db.update(runs).set({ runner_id: id, status: "COMPLETED" });
  await expect(find()).rejects.toMatchObject({ code: "workspace_closed" });
  await f.db.update(runners).set({ desired: "DESTROYED" });
  await expect(find()).rejects.toMatchObject({ code: "workspace_removed" });
});
