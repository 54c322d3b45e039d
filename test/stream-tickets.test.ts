import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  api,
  boardStreamPath,
  getEndpointUrl,
  globalStreamPath,
  Problem,
  type RunnerView,
  runnerApi,
  streamsApi,
  streamTicketSeconds,
  type Task,
  taskStreamPath,
  terminalStreamPath,
} from "@wharf/contract";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Streams of clients that cannot send a header. */
let folder: string;
let wharf: ServerHarness;
let url: string;
let ownerToken: string;
let task: Task;
let runner: RunnerView;

beforeAll(async () => {
  folder = createScratchFolder();
  const repository_url = createRepository(join(folder, "repository"));
  wharf = new ServerHarness(folder, { AGENT_MODE: "mock", LOG_LEVEL: "debug" });
  await wharf.start();
  await locate();
  task = await wharf.createTask({ repository_url });
  const { client } = wharf;
  runner = await client.call(runnerApi.createRunner, { query: { wait: "true" }, body: {} }, { timeoutMs: 60_000 });
}, 120_000);
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function locate(): Promise<void> {
  const address = await wharf.client.locate();
  url = address.url;
  ownerToken = address.token ?? "";
}

async function createTicket(token = ownerToken): Promise<string> {
  const { path } = streamsApi.createStreamTicket;
  const answer = await fetch(url + path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  expect(answer.status).toBe(201);
  return streamsApi.createStreamTicket.response.parse(await answer.json()).ticket;
}

/** Opens a WebSocket, or resolves with the code of the refusal. */
async function openSocket(path: string, headers: Record<string, string> = {}): Promise<WebSocket | string> {
  const socket = new WebSocket(`${url.replace("http", "ws")}${path}`, { headers });
  onTestFinished(() => socket.terminate());
  const { promise, resolve } = Promise.withResolvers<WebSocket | string>();
  socket.once("open", () => resolve(socket));
  socket.on("error", () => undefined);
  socket.once("unexpected-response", async (_, response) => {
    let text = "";
    for await (const chunk of response) text += String(chunk);
    resolve(Problem.parse(JSON.parse(text)).code);
  });
  return promise;
}

/** Opens server-sent events; resolves with the first bytes, or with the code of the refusal. */
async function openSource(path: string): Promise<string> {
  const answer = await fetch(url + path);
  if (!answer.ok) return Problem.parse(await answer.json()).code;
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) return chunk;
  return "";
}

const isOpen = (opened: WebSocket | string): boolean => typeof opened === "object";

/** The path of every WebSocket, with other parameters in its query. */
const listSockets = (): Record<string, string> => ({
  task: `${taskStreamPath.replace(":task_id", task.id)}?after=0`,
  board: `${boardStreamPath.replace(":board_id", task.board_id)}?format=envelope`,
  everything: `${globalStreamPath}?format=envelope`,
  terminal: `${terminalStreamPath.replace(":runner_id", runner.id).replace(":terminal_id", "new")}?cols=80`,
});

/** The path of every stream of server-sent events. */
const listSources = (): string[] => [
  getEndpointUrl(streamsApi.followTask, { params: { task_id: task.id } }),
  getEndpointUrl(streamsApi.followBoard, { params: { board_id: task.board_id } }),
  getEndpointUrl(streamsApi.followEverything, {}),
];

async function query(text: string): Promise<unknown[]> {
  const db = new pg.Client({ host: join(wharf.data, "postgres", "socket"), user: "wharf", database: "postgres" });
  await db.connect();
  const { rows } = await db.query<Record<string, unknown>>(text);
  await db.end();
  return rows;
}

//
test("a ticket opens any one stream, once, within 30 seconds", { timeout: 60_000 }, async () => {
  expect(streamTicketSeconds).toBe(30);
  for (const path of Object.values(listSockets())) {
    const ticket = await createTicket();
    expect(isOpen(await openSocket(`${path}&ticket=${ticket}`))).toBe(true);
    expect(await openSocket(`${path}&ticket=${ticket}`)).toBe("stream_ticket_invalid");
    expect(isOpen(await openSocket(path, { authorization: `Bearer ${ownerToken}` }))).toBe(true);
    expect(await openSocket(`${path}&token=${ownerToken}`)).toBe("query_token_refused");
    expect(await openSocket(path)).toBe("unauthenticated");
  }
  for (const path of listSources()) {
    const ticket = await createTicket();
    expect(await openSource(`${path}?ticket=${ticket}`)).toMatch(/subscribed|^id: /);
    expect(await openSource(`${path}?ticket=${ticket}`)).toBe("stream_ticket_invalid");
    expect(await openSource(`${path}?token=${ownerToken}`)).toBe("query_token_refused");
  }
  const late = await createTicket();
  expect(
    await query(
      "select expires_at - now() > '25 s' as long, expires_at - now() <= '30 s' as short from stream_tickets",
    ),
  ).toEqual([{ long: true, short: true }]);
  await query("update stream_tickets set expires_at = now() - interval '1 ms'");
  expect(await openSocket(`${globalStreamPath}?ticket=${late}`)).toBe("stream_ticket_invalid");
});

test("of many uses of a ticket at the same time, one succeeds", { timeout: 60_000 }, async () => {
  const ticket = await createTicket();
  const opened = await Promise.all(Array.from({ length: 8 }, () => openSocket(`${globalStreamPath}?ticket=${ticket}`)));
  expect(opened.filter(isOpen)).toHaveLength(1);
});

test("a ticket opens nothing but streams, and is stored as a hash", { timeout: 60_000 }, async () => {
  const ticket = await createTicket();
  const answer = await fetch(`${url}/api/v1/boards?ticket=${ticket}`);
  expect(answer.status).toBe(401);
  expect(JSON.stringify(await query("select * from stream_tickets"))).not.toContain(ticket);
  expect(isOpen(await openSocket(`${globalStreamPath}?ticket=${ticket}`))).toBe(true);
});

describe("a ticket of an access token", () => {
  async function addPerson(permissions?: ("task:read" | "runner:use")[]) {
    const username = `person${Math.random().toString(36).slice(2, 8)}`;
    const { client } = wharf;
    await client.call(api.addMember, { body: { username, role: "admin" } });
    return client.call(api.createAccessToken, {
      body: { name: "t", user: username, ...(permissions && { permissions }) },
    });
  }

  test("has its permissions", { timeout: 60_000 }, async () => {
    const { token } = await addPerson(["task:read"]);
    const { task: taskPath = "", terminal = "" } = listSockets();
    expect(isOpen(await openSocket(`${taskPath}&ticket=${await createTicket(token)}`))).toBe(true);
    expect(await openSocket(`${terminal}&ticket=${await createTicket(token)}`)).toBe("permission_missing");
  });

  test("ends with it, and so does the stream that it opened", { timeout: 60_000 }, async () => {
    const { token, id: token_id } = await addPerson();
    const unused = await createTicket(token);
    const socket = await openSocket(`${globalStreamPath}?ticket=${await createTicket(token)}`);
    if (typeof socket === "string") throw new Error(socket);
    const closed = once(socket, "close");
    await wharf.client.call(api.revokeAccessToken, { params: { token_id } });
    expect((await closed).map(String)).toEqual(["1011", "unauthenticated"]);
    expect(await openSocket(`${globalStreamPath}?ticket=${unused}`)).toBe("stream_ticket_invalid");
  });
});

describe("with WHARF_QUERY_TOKENS", () => {
  beforeAll(async () => {
    await wharf.interrupt();
    wharf.environment["WHARF_QUERY_TOKENS"] = "1";
    await wharf.start();
    await locate();
  }, 120_000);

  // K-064
  test("a stream of a task takes a token from its address or a header", { timeout: 60_000 }, async () => {
    const path = `/api/v1/orchestrator/tasks/${task.id}/stream`;
    expect(isOpen(await openSocket(`${path}?token=${ownerToken}`))).toBe(true);
    expect(isOpen(await openSocket(path, { authorization: `Bearer ${ownerToken}` }))).toBe(true);
    expect(await openSocket(`${path}?token=wrong`)).toBe("unauthenticated");
    expect(await openSocket(path)).toBe("unauthenticated");
  });

  test("no token of an address is logged", { timeout: 60_000 }, async () => {
    const ticket = await createTicket();
    const secrets = [ownerToken, ticket, "a-wrong-token"];
    const [, , everything = ""] = listSources();
    await openSource(`${everything}?token=${ownerToken}`);
    await openSource(`${everything}?after=&ticket=${ticket}`);
    for (const path of [...Object.values(listSockets()), `${globalStreamPath}?`, "/api/v1/boards?", "/nowhere?"])
      await openSocket(`${path}&token=a-wrong-token`);
    await fetch(`${url}/api/v1/boards?token=a-wrong-token`);
    await fetch(`${url}/nowhere?token=a-wrong-token`);
    await eventually(() => wharf.log.includes("token=…"), true);
    const entries = JSON.stringify(await query("select * from audit_entries"));
    for (const secret of secrets) {
      expect(wharf.log).not.toContain(secret);
      expect(entries).not.toContain(secret);
    }
  });
});
