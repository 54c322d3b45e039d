import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  type AccessTokenInput,
  api,
  boardStreamPath,
  globalStreamPath,
  type RunnerView,
  runnerApi,
  runnerWorkspaceApi,
  type ServerEndpoint,
  getEndpointUrl,
  type Task,
  taskStreamPath,
  terminalStreamPath,
} from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./support/eventually.ts";
import { expireToken } from "./support/expire-token.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** What people have open ends when they lose access. */
let folder: string;
let wharf: ServerHarness;
let board_id: string;
let task: Task;
/** Another task, on a board that only admins see. */
let hiddenTask: Task;
/** A runner that the admins of the organization may use. */
let runner: RunnerView;
let userCount = 0;

beforeAll(async () => {
  folder = createScratchFolder();
  const repository_url = createRepository(join(folder, "repository"));
  wharf = new ServerHarness(folder, { AGENT_MODE: "mock" });
  await wharf.start();
  const { client } = wharf;
  ({ id: board_id } = await client.call(api.createBoard, { body: { name: "shared" } }));
  const body = { title: "A task", description: "demo: say hello", agent_type: "demo", repository_url };
  task = await client.call(api.createTask, { params: { board_id }, body });
  hiddenTask = await wharf.createTask({ repository_url });
  runner = await client.call(runnerApi.createRunner, { query: { wait: "true" }, body: {} }, { timeoutMs: 60_000 });
}, 120_000);
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Person {
  readonly username: string;
  readonly token: string;
  readonly token_id: string;
}

/** Adds a user with a token, who edits the board. */
async function addPerson(role: "member" | "admin", input: Partial<AccessTokenInput> = {}): Promise<Person> {
  const { client } = wharf;
  const username = `person${++userCount}`;
  await client.call(api.addMember, { body: { username, role } });
  await client.call(api.shareBoard, { params: { board_id, user: username }, body: { role: "editor" } });
  const { token, id } = await client.call(api.createAccessToken, { body: { name: "test", user: username, ...input } });
  return { username, token, token_id: id };
}

/** Changes that withdraw the access to the shared task from a person. */
const withdrawals: Record<string, (person: Person) => Promise<unknown>> = {
  "the token is revoked": ({ token_id }) => wharf.client.call(api.revokeAccessToken, { params: { token_id } }),
  "the token expires": ({ token_id }) => endToken(token_id),
  "the person leaves the organization": ({ username }) =>
    wharf.client.call(api.removeMember, { params: { user: username } }),
  "the board is no longer shared": ({ username }) =>
    wharf.client.call(api.unshareBoard, { params: { board_id, user: username } }),
};

/** Lets a token expire in a moment. */
async function endToken(id: string): Promise<void> {
  await expireToken(wharf, id, 1);
  // The server learns of the new end as of any other change.
  await wharf.client.call(api.shareBoard, { params: { board_id, user: "owner" }, body: { role: "owner" } });
}

async function openSocket(path: string, { token }: Person) {
  const { url } = await wharf.client.locate();
  const socket = new WebSocket(`${url.replace("http", "ws")}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  onTestFinished(() => socket.terminate());
  const messages: string[] = [];
  socket.on("message", (data: Buffer) => messages.push(data.toString()));
  const closed = once(socket, "close").then(([code, reason]) => `${code} ${String(reason)}`);
  await once(socket, "open");
  return { socket, messages, closed };
}

const taskPath = () => taskStreamPath.replace(":task_id", task.id);

describe("a stream of a task closes", () => {
  test.each(Object.entries(withdrawals))("when %s", { timeout: 60_000 }, async (name, withdraw) => {
    const [person, other] = [await addPerson("member"), await addPerson("member")];
    const { closed } = await openSocket(taskPath(), person);
    const kept = await openSocket(taskPath(), other);
    await withdraw(person);
    const code = name.includes("board") ? "task_not_found" : "unauthenticated";
    expect(await closed).toBe(`1011 ${code}`);
    expect(kept.socket.readyState).toBe(WebSocket.OPEN);
  });
});

test("a stream of a task follows the role of its viewer", { timeout: 60_000 }, async () => {
  const person = await addPerson("member");
  const { socket, messages } = await openSocket(taskPath(), person);
  await wharf.client.call(api.setMemberRole, { params: { user: person.username }, body: { role: "viewer" } });
  const isRefused = () => {
    socket.send(JSON.stringify({ type: "control", action: "pause" }));
    return messages.join("\n").includes("permission_missing");
  };
  await eventually(isRefused, true);
  expect(socket.readyState).toBe(WebSocket.OPEN);
});

describe("a stream of many tasks", () => {
  test("drops those that the viewer no longer sees, and finds none of them again", { timeout: 60_000 }, async () => {
    const person = await addPerson("admin");
    const { socket, messages } = await openSocket(globalStreamPath, person);
    const subscribe = () => {
      const after = { [task.id]: 0, [hiddenTask.id]: 0 };
      socket.send(JSON.stringify({ action: "subscribe", task_ids: [task.id, hiddenTask.id], after }));
    };
    subscribe();
    const getText = () => messages.join("\n");
    await eventually(() => [task, hiddenTask].every(({ id }) => getText().includes(`"task_id":"${id}"`)), true);
    await wharf.client.call(api.setMemberRole, { params: { user: person.username }, body: { role: "member" } });
    await eventually(() => getText().includes("task_not_found"), true);
    expect(messages.filter((text) => text.includes("task_not_found"))).toHaveLength(1);
    messages.length = 0;
    subscribe();
    await eventually(() => getText().includes("task_not_found"), true);
    expect(getText()).not.toContain(`"task_id":"${hiddenTask.id}"`);
  });

  test("closes with the token", { timeout: 60_000 }, async () => {
    const person = await addPerson("member");
    const { closed } = await openSocket(globalStreamPath, person);
    await withdrawals["the token is revoked"]!(person);
    expect(await closed).toBe("1011 unauthenticated");
  });
});

describe("events of boards", () => {
  const boardPath = () => boardStreamPath.replace(":board_id", board_id);

  test.each(Object.entries(withdrawals))("end when %s", { timeout: 60_000 }, async (name, withdraw) => {
    const person = await addPerson("member");
    const [socket, source] = [await openSocket(boardPath(), person), await openSource(boardPath(), person)];
    await withdraw(person);
    const code = name.includes("board") ? "board_not_found" : "unauthenticated";
    expect(await socket.closed).toBe(`1011 ${code}`);
    expect(await source.ended).toContain(`event: closed\ndata: {"type":"closed","reason":"${code}"}`);
  });

  test("of a board that is no longer shared leave the stream of everything", { timeout: 60_000 }, async () => {
    const { client } = wharf;
    const person = await addPerson("member");
    const kept = await client.call(api.createBoard, { body: { name: "kept" } });
    const share = (id: string) =>
      client.call(api.shareBoard, { params: { board_id: id, user: person.username }, body: { role: "viewer" } });
    await share(kept.id);
    const body = { title: "Another", description: "demo: say hello", agent_type: "demo" };
    const keptTask = await client.call(api.createTask, { params: { board_id: kept.id }, body });
    const source = await openSource(globalStreamPath, person);
    const { socket, messages } = await openSocket(globalStreamPath, person);
    socket.send(JSON.stringify({ action: "subscribe", everything: true }));
    socket.send(JSON.stringify({ action: "subscribe", task_ids: [task.id] }));
    await eventually(() => messages.length, 1);
    const streams = [source.read, () => messages.join()];
    let count = 0;
    /**
     * Changes the task, then one that the person keeps. Returns for each stream whether it showed
     * the first change before the second.
     */
    const whoHears = async () => {
      const name = `change ${++count}.`;
      await client.call(api.updateTask, { params: { task_id: task.id }, body: { title: name } });
      await client.call(api.updateTask, { params: { task_id: keptTask.id }, body: { title: `after ${name}` } });
      await eventually(() => streams.every((read) => read().includes(`"after ${name}"`)), true);
      return streams.map((read) => read().includes(`"title":"${name}"`));
    };
    expect(await whoHears()).toEqual([true, true]);
    await withdrawals["the board is no longer shared"]!(person);
    await eventually(() => messages.join().includes("task_not_found"), true);
    await eventually(whoHears, [false, false]);
    await share(board_id);
    await eventually(whoHears, [true, true]);
  });
});

/** Opens a stream of server-sent events, and collects its text. */
async function openSource(path: string, { token }: Person) {
  const { url } = await wharf.client.locate();
  const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.status).toBe(200);
  let text = "";
  const ended = (async () => {
    for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })().then(
    () => text,
    () => text,
  );
  await eventually(() => text.includes("subscribed"), true);
  return { ended, read: () => text };
}

/** Begins a request for a stream, and returns its text when it breaks. */
async function openAnswer(
  route: ServerEndpoint,
  { body, ...parts }: { readonly query?: Record<string, unknown>; readonly body?: unknown },
  { token }: Person,
) {
  const { url } = await wharf.client.locate();
  const answer = await fetch(`${url}${getEndpointUrl(route, { params: { runner_id: runner.id }, ...parts })}`, {
    method: route.method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect(answer.status).toBe(200);
  return {
    broken: answer.text().then(
      () => "complete",
      () => "broken",
    ),
  };
}

describe("what uses a runner ends", () => {
  const revoke = async (person: Person) => withdrawals["the token is revoked"]!(person);
  const demote = async ({ username }: Person) =>
    wharf.client.call(api.setMemberRole, { params: { user: username }, body: { role: "viewer" } });

  test.each([
    ["a token is revoked", revoke, "unauthenticated"],
    ["a person's role changes", demote, "permission_missing"],
  ] as const)("when %s", { timeout: 90_000 }, async (_, withdraw, code) => {
    const person = await addPerson("admin");
    const path = terminalStreamPath.replace(":runner_id", runner.id).replace(":terminal_id", "new");
    const { messages, closed } = await openSocket(path, person);
    await eventually(() => messages.some((text) => text.includes("attached")), true);
    const answers = await Promise.all([
      openAnswer(runnerApi.followRunnerLogs, {}, person),
      openAnswer(runnerApi.execRunner, { body: { command: "echo begun; exec sleep 600" } }, person),
      openAnswer(runnerWorkspaceApi.watchChanges, {}, person),
    ]);
    await withdraw(person);
    expect(await closed).toBe(`1011 ${code}`);
    expect(messages.find((text) => text.includes("refused"))).toContain(code);
    const outcomes = await Promise.all(
      answers.slice(0, code === "unauthenticated" ? 3 : 2).map(({ broken }) => broken),
    );
    expect(new Set(outcomes)).toEqual(new Set(["broken"]));
  });
});
