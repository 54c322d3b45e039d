import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OldPathsHarness } from "./support/old-paths.ts";

/** Boards and tasks under the paths, fields, bounds and statuses of the old systems. */
const old = new OldPathsHarness();
const { send } = old;

beforeAll(() => old.server.start());
afterAll(() => old[Symbol.asyncDispose]());

const missing = "00000000-0000-4000-8000-000000000000";
const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);

async function createBoard(name = "a board"): Promise<string> {
  const { status, body } = await send("POST", "/api/v1/boards", { name });
  expect(status).toBe(201);
  return body.id;
}

/** Creates a task and returns its path. */
async function createTask(fields: object = {}, boardId?: string): Promise<{ id: string; path: string }> {
  const board = boardId ?? (await createBoard());
  const input = { title: "a task", description: "do it", ...fields };
  const { status, body } = await send("POST", `/api/v1/boards/${board}/tasks`, input);
  expect(status).toBe(201);
  return { id: body.id, path: `/api/v1/tasks/${body.id}` };
}

const listTitles = async (path: string): Promise<string[]> => {
  const { status, body } = await send("GET", path);
  expect(status).toBe(200);
  return body.tasks.map(({ title }: { title: string }) => title);
};

describe("a board", () => {
  // K-037
  test("is created by POST /api/v1/boards with a name and a description", async () => {
    const { status, body } = await send("POST", "/api/v1/boards", { name: "Shop", description: "the shop" });
    expect(status).toBe(201);
    expect(body).toMatchObject({ id: uuid, name: "Shop", description: "the shop", owner_id: uuid });
    expect(body).toMatchObject({ created_at: time, updated_at: time });
    expect(await send("GET", `/api/v1/boards/${body.id}`)).toMatchObject({ status: 200, body: { name: "Shop" } });
    for (const wrong of [{}, { name: "" }, { name: "x".repeat(256) }, { name: 7 }])
      expect(await send("POST", "/api/v1/boards", wrong)).toMatchObject({ status: 400 });
  });

  // K-038
  test("is listed by GET /api/v1/boards for its owner and not for others", async () => {
    const [ada, bob] = await Promise.all([old.addPerson("ada", "member"), old.addPerson("bob", "member")]);
    const { body: own } = await ada("POST", "/api/v1/boards", { name: "of ada" });
    await bob("POST", "/api/v1/boards", { name: "of bob" });
    const { status, body } = await ada("GET", "/api/v1/boards");
    expect({ status, boards: body.boards }).toMatchObject({ status: 200, boards: [{ id: own.id, name: "of ada" }] });
    expect((await bob("GET", "/api/v1/boards")).body.boards).toMatchObject([{ name: "of bob" }]);
  });

  // K-039
  test("is read by GET /api/v1/boards/{boardId} by people who see it", async () => {
    const id = await createBoard("to read");
    const { status, body } = await send("GET", `/api/v1/boards/${id}`);
    expect({ status, body }).toMatchObject({ status: 200, body: { id, name: "to read", description: "" } });
    expect(await send("GET", `/api/v1/boards/${missing}`)).toMatchObject({ status: 404 });
    const carol = await old.addPerson("carol", "member");
    expect(await carol("GET", `/api/v1/boards/${id}`)).toMatchObject({
      status: 404,
      body: { code: "board_not_found" },
    });
  });

  // K-040
  test("is changed by PUT /api/v1/boards/{boardId}, only in the fields of the body", async () => {
    const id = await createBoard("before");
    const path = `/api/v1/boards/${id}`;
    expect(await send("PUT", path, { description: "more" })).toMatchObject({
      status: 200,
      body: { name: "before", description: "more" },
    });
    expect(await send("PUT", path, { name: "after" })).toMatchObject({ status: 200 });
    expect((await send("GET", path)).body).toMatchObject({ name: "after", description: "more" });
    expect(await send("PUT", path, { name: "" })).toMatchObject({ status: 400 });
    expect(await send("PUT", `/api/v1/boards/${missing}`, { name: "x" })).toMatchObject({ status: 404 });
  });
});

describe("a task", () => {
  // K-031
  test("is listed by GET /api/v1/boards/{boardId}/tasks, which filters", async () => {
    const board = await createBoard();
    const other = await createBoard();
    await createTask({ title: "one", priority: 3, agent_type: "demo", repository_url: "/srv/a" }, board);
    const two = await createTask({ title: "two", priority: 7 }, board);
    await createTask({ title: "elsewhere" }, other);
    await send("PATCH", `${two.path}/state`, { state: "CANCELLED" });
    const path = `/api/v1/boards/${board}/tasks`;
    expect(await listTitles(path)).toEqual(["two", "one"]);
    expect((await send("GET", path)).body).toMatchObject({ total: 2 });
    for (const [filter, titles] of [
      ["state=TODO", ["one"]],
      ["state=TODO&state=CANCELLED", ["two", "one"]],
      ["agent_type=demo", ["one"]],
      ["repository=/srv/a", ["one"]],
      ["text=TW", ["two"]],
      ["assignee=none&limit=1", ["two"]],
      ["offset=1", ["one"]],
      ["sort=priority", ["one", "two"]],
      ["created_from=2100-01-01T00:00:00Z", []],
      ["archived=true", []],
    ] as const)
      expect([filter, await listTitles(`${path}?${filter}`)]).toEqual([filter, titles]);
    for (const wrong of ["state=LOST", "limit=0", "limit=1001", "sort=title"])
      expect(await send("GET", `${path}?${wrong}`)).toMatchObject({ status: 400 });
    expect(await send("GET", `/api/v1/boards/${missing}/tasks`)).toMatchObject({ status: 404 });
  });

  // K-032
  test("is read by GET /api/v1/tasks/{taskId} with all its fields", async () => {
    const fields = {
      title: "whole",
      description: "all of it",
      priority: 4,
      agent_type: "demo",
      repository_url: "/srv/repository",
      branch: "main",
      metadata: { ticket: 7 },
    };
    const { id, path } = await createTask(fields);
    const { status, body } = await send("GET", path);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, ...fields, state: "TODO", board_id: uuid, created_by: uuid, created_at: time });
    expect(await send("GET", `/api/v1/tasks/${missing}`)).toMatchObject({
      status: 404,
      body: { code: "task_not_found" },
    });
  });

  // K-033
  test("is changed by PUT /api/v1/tasks/{taskId}, only in the fields of the body and within their bounds", async () => {
    const { path } = await createTask({ title: "before", priority: 2 });
    expect(await send("PUT", path, { priority: 10, metadata: { a: 1 } })).toMatchObject({
      status: 200,
      body: { title: "before", description: "do it", priority: 10 },
    });
    expect(await send("PUT", path, { title: "x".repeat(500) })).toMatchObject({ status: 200 });
    expect((await send("GET", path)).body).toMatchObject({ title: "x".repeat(500), priority: 10, metadata: { a: 1 } });
    for (const wrong of [
      { title: "" },
      { title: "x".repeat(501) },
      { priority: 11 },
      { priority: -1 },
      { metadata: 1 },
    ])
      expect(await send("PUT", path, wrong)).toMatchObject({ status: 400 });
    expect((await send("GET", path)).body).toMatchObject({ priority: 10 });
    expect(await send("PUT", `/api/v1/tasks/${missing}`, { priority: 1 })).toMatchObject({ status: 404 });
  });

  // K-035
  test("changes its state by PATCH /api/v1/tasks/{taskId}/state, if the state may follow", async () => {
    const { path } = await createTask();
    for (const wrong of [{}, { state: "LOST" }, undefined])
      expect(await send("PATCH", `${path}/state`, wrong)).toMatchObject({ status: 400 });
    expect(await send("PATCH", `${path}/state`, { state: "BLOCKED" })).toMatchObject({ status: 409 });
    expect((await send("GET", path)).body.state).toBe("TODO");
    const moved = await send("PATCH", `${path}/state`, { state: "CANCELLED", reason: "not needed" });
    expect(moved).toMatchObject({ status: 200, body: { state: "CANCELLED" } });
    expect((await send("GET", path)).body.state).toBe("CANCELLED");
    expect(await send("PATCH", `/api/v1/tasks/${missing}/state`, { state: "CANCELLED" })).toMatchObject({
      status: 404,
    });
  });

  // K-036
  test("has its history at GET /api/v1/tasks/{taskId}/events, from the first event on", async () => {
    const { id, path } = await createTask({ title: "with a history" });
    await send("PUT", path, { priority: 9 });
    await send("PATCH", `${path}/state`, { state: "CANCELLED" });
    const { status, body } = await send("GET", `${path}/events`);
    expect(status).toBe(200);
    expect(body.events).toMatchObject([
      { seq: 1, task_id: id, timestamp: time, data: { kind: "state", entity: "task", to: "TODO" } },
      { seq: 2, data: { kind: "update", fields: ["priority"] } },
      { seq: 3, data: { kind: "state", entity: "task", from: "TODO", to: "CANCELLED" } },
    ]);
    expect((await send("GET", `${path}/events?after=1&limit=1`)).body.events).toMatchObject([{ seq: 2 }]);
    expect(await send("GET", `/api/v1/tasks/${missing}/events`)).toMatchObject({ status: 404 });
  });

  //
  test("keeps any JSON object as its metadata", async () => {
    const metadata = { ticket: "A-1", nested: { list: [1, null, true, "ü"] } };
    const { path } = await createTask({ metadata });
    expect((await send("GET", path)).body.metadata).toEqual(metadata);
    await send("PUT", path, { metadata: { other: {} } });
    expect((await send("GET", path)).body.metadata).toEqual({ other: {} });
  });

  //
  test("is cancelled by POST /api/v1/tasks/{taskId}/cancel, and archived without a change of its state", async () => {
    const board = await createBoard();
    const { id, path } = await createTask({ title: "to cancel" }, board);
    expect(await send("POST", `${path}/cancel`)).toMatchObject({ status: 200, body: { state: "CANCELLED" } });
    expect(await send("POST", `/api/v1/tasks/${missing}/cancel`)).toMatchObject({ status: 404 });
    const archived = await send("POST", `${path}/archive`);
    expect(archived).toMatchObject({ status: 200, body: { id, state: "CANCELLED", archived_at: time } });
    expect(await listTitles(`/api/v1/boards/${board}/tasks`)).toEqual([]);
    expect(await listTitles(`/api/v1/boards/${board}/tasks?archived=true`)).toEqual(["to cancel"]);
    const { body } = await send("POST", `${path}/restore`);
    expect(body).toMatchObject({ state: "CANCELLED" });
    expect(body).not.toHaveProperty("archived_at");
  });
});

describe("people", () => {
  //
  test("are admins, members or viewers, and owners, editors or viewers of a board", async () => {
    const [admin, member, viewer] = await Promise.all([
      old.addPerson("an-admin", "admin"),
      old.addPerson("a-member", "member"),
      old.addPerson("a-viewer", "viewer"),
    ]);
    const agentType = { name: "of-an-admin", command: ["/bin/sh"] };
    expect([(await viewer("POST", "/api/v1/boards", { name: "x" })).status]).toEqual([403]);
    const { body: board } = await member("POST", "/api/v1/boards", { name: "shared" });
    expect(board.role).toBe("owner");
    expect((await member("POST", "/api/v1/agent-types", agentType)).status).toBe(403);
    expect((await admin("POST", "/api/v1/agent-types", agentType)).status).toBe(201);
    expect(await send("PUT", "/api/v1/boards/x/members/y", { role: "boss" })).toMatchObject({ status: 400 });

    const path = `/api/v1/boards/${board.id}`;
    const dora = await old.addPerson("dora", "member");
    const share = (role: string) => member("PUT", `${path}/members/dora`, { role });
    const task = { title: "a task", description: "do it" };
    const getStatuses = async () => [
      (await dora("GET", path)).status,
      (await dora("POST", `${path}/tasks`, task)).status,
      (await dora("PUT", path, { description: "of dora" })).status,
    ];
    expect(await getStatuses()).toEqual([404, 404, 404]);
    await share("viewer");
    expect(await getStatuses()).toEqual([200, 403, 403]);
    await share("editor");
    expect(await getStatuses()).toEqual([200, 201, 403]);
    await share("owner");
    expect(await getStatuses()).toEqual([200, 201, 200]);
  });
});
