import { randomUUID } from "node:crypto";
import type { BoardRole } from "@wharf/contract";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import type { Scope } from "../access/index.ts";
import { listVisibleRunners, getVisibleRunner } from "../runners/standalone/standalone-rows.ts";
import { Queue, RunQueries } from "../runs/index.ts";
import { schema } from "../store/index.ts";
import { Boards } from "../tasks/index.ts";

const { board_members, memberships, organizations, runners, runs, users } = schema;

/** Adds a member of the owner's organisation, with a role on the owner's board. */
async function addPerson(f: Fixture, username: string, boardRole?: BoardRole): Promise<Scope> {
  const user_id = randomUUID();
  const { organization_id, default_board_id: board_id } = f.owner;
  await f.db.insert(users).values({ id: user_id, username, email: `${username}@example.org` });
  await f.db.insert(memberships).values({ organization_id, user_id, role: "member" });
  if (boardRole) await f.db.insert(board_members).values({ board_id, user_id, role: boardRole });
  return { user_id, username: "ada", organization_id, role: "member", is_operator: false, needs: "task:read" };
}

/** What one request for each kind of thing answers: found, missing or refused. */
async function readAll(f: Fixture, scope: Scope, ids: { task: string; run: string; runner: string }) {
  const queries = new RunQueries(f.db);
  const attempts = {
    board: new Boards(f.db).get(scope, f.owner.default_board_id),
    task: f.tasks.find(scope, ids.task),
    run: queries.getRun(scope, ids.run),
    runner: getVisibleRunner(f.db, scope, ids.runner),
  };
  const outcomes = Object.entries(attempts).map(async ([name, attempt]) => [
    name,
    await attempt.then(
      () => "found",
      (error: { code: string }) => error.code,
    ),
  ]);
  const page = { limit: 10 };
  const lists = await Promise.all([
    new Boards(f.db).list(scope, page).then(({ rows }) => rows),
    f.tasks.list(scope, page).then(({ tasks }) => tasks),
    queries.list(scope, page).then(({ agents }) => agents),
    listVisibleRunners(f.db, scope, page).then((listed) => listed.runners),
    new Queue(f.db, { maxRuns: 8, scope: "all" }).list(scope, page).then(({ tasks }) => tasks),
    f.tasks.findMany(scope, [ids.task]).then(({ found }) => [...found]),
  ]);
  return { ...Object.fromEntries(await Promise.all(outcomes)), listed: lists.map((rows) => rows.length) };
}

const every = (outcome: string) => ({ board: outcome, task: outcome, run: outcome, runner: outcome });
const missing = {
  board: "board_not_found",
  task: "task_not_found",
  run: "run_not_found",
  runner: "runner_not_found",
  listed: [0, 0, 0, 0, 0, 0],
};

test("a board and everything on it is seen by its members and the organization's admins only", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  const { run_id } = await f.prompt(task);
  const runner = randomUUID();
  await f.db.insert(runners).values({ id: runner, backend: "mock", tier: "small", board_id: f.owner.default_board_id });
  await f.db.update(runs).set({ runner_id: runner });
  const ids = { task: task.id, run: run_id, runner };
  const listed = [1, 1, 1, 1, 1, 1];
  const [viewer, editor, stranger] = [
    await addPerson(f, "viewer", "viewer"),
    await addPerson(f, "editor", "editor"),
    await addPerson(f, "stranger"),
  ];
  for (const scope of [f.owner, viewer, editor])
    expect(await readAll(f, scope, ids)).toEqual({ ...every("found"), listed });
  expect(await readAll(f, stranger, ids)).toEqual(missing);
  expect(await readAll(f, { ...stranger, role: "admin" }, ids)).toEqual({ ...every("found"), listed });

  // What is visible and not permitted is refused.
  const prompt = { needs: "task:prompt" } as const;
  expect(await readAll(f, { ...viewer, ...prompt }, ids)).toEqual({ ...every("permission_missing"), listed });
  expect(await readAll(f, { ...editor, ...prompt }, ids)).toEqual({ ...every("found"), listed });
  expect(await readAll(f, { ...stranger, ...prompt }, ids)).toEqual(missing);

  // A member of the board sees it only while acting in its organisation.
  const organization_id = randomUUID();
  await f.db.insert(organizations).values({ id: organization_id, name: "Other", slug: "other" });
  expect(await readAll(f, { ...editor, organization_id }, ids)).toEqual(missing);
  expect(await readAll(f, { ...f.owner, organization_id }, ids)).toEqual(missing);
});

test("a runner without a task is seen by the person who created it and the admins", async () => {
  await using f = await fixture();
  const [creator, other] = [await addPerson(f, "creator"), await addPerson(f, "other", "owner")];
  const { user_id: owner_id, organization_id } = creator;
  const id = randomUUID();
  await f.db.insert(runners).values({ id, backend: "mock", tier: "small", owner_id, organization_id });
  const use = { needs: "runner:use" } as const;
  for (const scope of [creator, f.owner]) expect((await getVisibleRunner(f.db, { ...scope, ...use }, id)).id).toBe(id);
  for (const scope of [other, { ...creator, organization_id: randomUUID() }])
    await expect(getVisibleRunner(f.db, { ...scope, ...use }, id)).rejects.toMatchObject({ code: "runner_not_found" });
});
