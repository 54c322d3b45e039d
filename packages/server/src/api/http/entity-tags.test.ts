import { type Board, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServedApi, serveApi, token } from "../../../test/api.ts";
import { type Fixture, fixture } from "../../../test/fixture.ts";

let f: Fixture;
/** Two servers of one installation. */
let servers: readonly [ServedApi, ServedApi];
beforeAll(async () => {
  f = await fixture();
  servers = [await serveApi(f), await serveApi(f)];
});
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

interface SentRequest {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly server?: ServedApi;
}

function send(path: string, { method = "GET", headers = {}, body, server = servers[0] }: SentRequest = {}) {
  const content = body === undefined ? {} : { "content-type": "application/json" };
  return fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...content, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

const getTag = (answer: Response): string => answer.headers.get("etag") ?? "";
const edit = (id: string, title: string, tag: string, server?: ServedApi) =>
  send(`/tasks/${id}`, { method: "PUT", headers: { "if-match": tag }, body: { title }, ...(server && { server }) });

describe("If-Match", () => {
  test("lets one of many people change what all of them read, through any server", async () => {
    const { id } = await f.newTask();
    const tag = getTag(await send(`/tasks/${id}`));
    const titles = Array.from({ length: 12 }, (_, i) => `title ${i}`);
    const answers = await Promise.all(titles.map((title, i) => edit(id, title, tag, servers[i % 2 ? 1 : 0])));
    const countAnswers = (code: number) => answers.filter(({ status }) => status === code).length;
    expect([countAnswers(200), countAnswers(412)]).toEqual([1, titles.length - 1]);
    const won = answers.findIndex(({ ok }) => ok);
    const task = (await (await send(`/tasks/${id}`, { server: servers[1] })).json()) as Task;
    expect(task).toMatchObject({ title: titles[won], version: 2 });
    const refused = answers.find(({ ok }) => !ok);
    expect(await refused?.json()).toMatchObject({
      code: "precondition_failed",
      detail: "Somebody changed the task after you read it: its version is now 2.",
    });
  });

  test("accepts the tag of the previous change, a list of tags, and any version", async () => {
    const { id } = await f.newTask();
    const first = await edit(id, "first", '"1"');
    expect(getTag(first)).toMatch(/^"2\.[\w-]{22}"$/);
    expect((await edit(id, "second", getTag(first))).status).toBe(200);
    expect((await edit(id, "third", '"9", "3"')).status).toBe(200);
    expect((await edit(id, "fourth", "*")).status).toBe(200);
    expect((await send(`/tasks/${id}`, { method: "PUT", body: { title: "without" } })).status).toBe(200);
  });

  test.each(['W/"1"', '"x"', '""', '"1x"', '"1."extra"', "1", "", '"1", 1'])("never matches %s", async (tag) => {
    const { id, title } = await f.newTask();
    const { status } = await edit(id, "changed", tag);
    expect([400, 412]).toContain(status);
    expect(await (await send(`/tasks/${id}`)).json()).toMatchObject({ title, version: 1 });
  });

  test("guards each change of tasks, boards and agent types", async () => {
    const { id } = await f.newTask();
    const board = (await (await send("/boards", { method: "POST", body: { name: "one" } })).json()) as Board;
    const type = { name: "mine", command: ["agent"] };
    expect((await send("/agent-types", { method: "POST", body: type })).status).toBe(201);
    const changes = [
      ["PUT", `/tasks/${id}`, { title: "x" }],
      ["PATCH", `/tasks/${id}/state`, { state: "CANCELLED" }],
      ["PATCH", `/tasks/${id}/state`, { state: "TODO" }],
      ["PUT", `/tasks/${id}/mode`, { mode_id: "plan" }],
      ["PUT", `/tasks/${id}/model`, { model_id: "large" }],
      ["DELETE", `/tasks/${id}`, undefined],
      ["PUT", `/boards/${board.id}`, { name: "x" }],
      ["DELETE", `/boards/${board.id}`, undefined],
      ["PUT", "/agent-types/mine", { description: "x" }],
      ["DELETE", "/agent-types/mine", undefined],
    ] as const;
    for (const [method, path, body] of changes) {
      const { status } = await send(path, { method, body, headers: { "if-match": '"77"' } });
      expect({ method, path, status }).toEqual({ method, path, status: 412 });
    }
    for (const path of [`/tasks/${id}`, `/boards/${board.id}`, "/agent-types/mine"]) {
      const tag = getTag(await send(path));
      expect(tag).toMatch(/^"1\./);
      expect((await send(path, { method: "DELETE", headers: { "if-match": tag } })).status).toBe(204);
    }
  });

  test("is refused where nothing is compared", async () => {
    const answer = await send("/run-limits", { method: "PUT", body: { max_runs: 3 }, headers: { "if-match": '"1"' } });
    expect(answer.status).toBe(412);
    expect(await answer.json()).toMatchObject({ code: "precondition_unsupported" });
  });

  test("is not affected by what the log of a task gains", async () => {
    const { id } = await f.newTask();
    await f.log.write(({ append }) => append(id, [{ data: { kind: "notice", message: "hello" } }]));
    expect((await edit(id, "changed", '"1"')).status).toBe(200);
  });
});

describe("If-None-Match", () => {
  test("answers 304 without a body while the answer is the same", async () => {
    const { id } = await f.newTask();
    const tag = getTag(await send(`/tasks/${id}`));
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, "*"]) {
      const answer = await send(`/tasks/${id}`, { headers: { "if-none-match": known } });
      expect([answer.status, getTag(answer), await answer.text()]).toEqual([304, tag, ""]);
    }
    await edit(id, "changed", tag);
    expect((await send(`/tasks/${id}`, { headers: { "if-none-match": tag } })).status).toBe(200);
  });

  test("also serves lists, and never hides an error", async () => {
    const tag = getTag(await send("/boards"));
    expect((await send("/boards", { headers: { "if-none-match": tag } })).status).toBe(304);
    expect((await send("/boards/none", { headers: { "if-none-match": "*" } })).status).toBe(400);
    const head = await send("/boards", { method: "HEAD" });
    expect([head.status, getTag(head)]).toEqual([200, tag]);
  });
});
