import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { api, Problem, getEndpointUrl } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServedApi, serveApi, token } from "../../test/api.ts";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { createOpenApiDocument } from "./openapi/openapi-document.ts";

let f: Fixture;
let served: ServedApi;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

const authorization = `Bearer ${token}`;

/** Sends these lines over a separate socket and returns the whole answer. */
async function answerTo(lines: readonly string[]): Promise<{ status: number; head: string; body: string }> {
  const socket = connect(served.port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const answer = await text(socket);
  const [head = "", body = ""] = answer.split("\r\n\r\n", 2);
  return { status: Number(head.split(" ")[1]), head: head.toLowerCase(), body };
}

const get = (path: string) =>
  answerTo([`GET ${path} HTTP/1.1`, "host: localhost", `authorization: ${authorization}`, "connection: close"]);

describe("an address", () => {
  const id = "0".repeat(8);
  test.each([
    "//",
    "///",
    "//[",
    "//a:b@:0/",
    "/api/v1/%",
    "/api/v1/tasks/%zz",
    "/api/v1/tasks/%ff%fe%fd%fc%fb",
    `/api/v1/tasks/${"x".repeat(5_000)}`,
    `/api/v1/tasks/${id}/permissions/${"x".repeat(5_000)}`,
    "/api/v1/tasks/%25_%25_%25_%25_",
    "/api/v1/tasks/________",
    "/api/v1/tasks/%5c%5c%5c%5c%5c%5c%5c%5c",
    "/api/v1/agents/%25%25%25%25%25%25%25%25",
    "/api/v1/runners/________",
    "/api/v1/tasks/00000000000000",
    "/api/v1/tasks/0000%000000",
    "http://[/",
    "\\health",
    "http:\\\\localhost\\health",
    "*",
    "/\u0001",
    "/health?\u0000",
  ])("such as %s is answered with a problem and causes no server error", async (path) => {
    const { status, head, body } = await get(path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(head).toContain("content-type: application/problem+json");
    expect(head).toContain("x-content-type-options: nosniff");
    expect(Problem.parse(JSON.parse(body)).code).toMatch(/bad_request|not_found|method_not_allowed/);
  });

  test("with the first letters of an id finds the task, and with a wildcard finds none", async () => {
    const task = await f.newTask();
    expect((await get(`/api/v1/tasks/${task.id.slice(0, 8)}`)).status).toBe(200);
    expect((await get(`/api/v1/tasks/${task.id}`)).status).toBe(200);
    expect((await get(`/api/v1/tasks/${task.id.slice(0, 7)}_`)).status).toBe(400);
    expect((await get(`/api/v1/tasks/${task.id.slice(0, 7)}%25`)).status).toBe(400);
  });
});

describe("bytes that are not a request", () => {
  test.each([
    ["no HTTP", ["hello"]],
    ["a head of 100 kB", ["GET / HTTP/1.1", `x: ${"y".repeat(100_000)}`]],
    ["two lengths", ["POST / HTTP/1.1", "host: localhost", "content-length: 1", "content-length: 2"]],
  ])("(%s) are answered with a problem", async (_, lines) => {
    const { status, head, body } = await answerTo(lines);
    expect(status).toBe(400);
    expect(head).toContain("content-type: application/problem+json");
    expect(Problem.parse(JSON.parse(body)).code).toBe("bad_request");
  });

  test("a request without a host name is refused by the guard", async () => {
    const { status, body } = await answerTo(["GET /health HTTP/1.1", "connection: close"]);
    expect([status, Problem.parse(JSON.parse(body)).code]).toEqual([403, "forbidden_origin"]);
  });
});

test("only routes declared open need no token, under any spelling of their address", async () => {
  const status = async (path: string) =>
    (await answerTo([`GET ${path} HTTP/1.1`, "host: localhost", "connection: close"])).status;
  expect(await status("/health")).toBe(200);
  expect(await status("http://localhost/health")).toBe(200);
  for (const path of [
    "/api/v1/tasks",
    "/health/../api/v1/tasks",
    "/%68ealth/x",
    "//health",
    "/nothing",
    "http://localhost/health@/api/v1/tasks",
    "/api/v1/agent-types/..\\..\\..\\..\\health",
    "/api/v1/agent-types/..%5c..%5c..%5c..%5chealth",
    "/api/v1/tasks/..\\..\\..\\health",
    "/api/v1/tasks\\..\\..\\..\\health",
    "/health\\..\\api\\v1\\tasks",
  ])
    expect([path, await status(path)]).toEqual([path, 401]);
});

test("a body of 50 MB is answered with 413 instead of a reset", async () => {
  const { id } = await f.newTask();
  const path = getEndpointUrl(api.promptTask, { params: { task_id: id } });
  const body = Buffer.alloc(50 << 20, "x");
  for (const length of [{ "content-length": body.length }, {}]) {
    const headers = { authorization, "content-type": "application/json", ...length };
    const sending = request(`${served.url}${path}`, { method: "POST", headers });
    const answered = once(sending, "response");
    for (let at = 0; at < body.length; at += 1 << 20)
      if (!sending.write(body.subarray(at, at + (1 << 20)))) await once(sending, "drain");
    sending.end();
    const [response] = await answered;
    expect(response.statusCode).toBe(413);
    expect(Problem.parse(JSON.parse(await text(response))).code).toBe("body_too_large");
  }
});

test("a body that is not UTF-8, JSON or an object is answered with 400 and stores nothing", async () => {
  const path = getEndpointUrl(api.createTask, { params: { board_id: f.owner.default_board_id } });
  const send = async (body: Buffer) => {
    const headers = { authorization, "content-type": "application/json" };
    const answer = await fetch(`${served.url}${path}`, { method: "POST", headers, body: new Uint8Array(body) });
    return { status: answer.status, text: await answer.text() };
  };
  const task = (title: Buffer) =>
    Buffer.concat([Buffer.from('{"title":"'), title, Buffer.from('","description":"d"}')]);
  for (const bytes of ["ff", "c3", "eda080", "f8808080", "c080"]) {
    const { status, text: problem } = await send(task(Buffer.from(bytes, "hex")));
    expect([bytes, status]).toEqual([bytes, 400]);
    expect(problem).toContain("not valid UTF-8");
  }
  for (const body of ["", "{", '{"__proto__": {"title": "x"}}', "[]"])
    expect([body, (await send(Buffer.from(body))).status]).toEqual([body, 400]);
  const { status, text: created } = await send(task(Buffer.from("grüße 😀")));
  expect([status, (JSON.parse(created) as { title: string }).title]).toEqual([201, "grüße 😀"]);
});

test("a null in a task's metadata is kept", async () => {
  const body = JSON.stringify({ title: "t", description: "d", metadata: { a: null, b: [null, { c: null }] } });
  const created = await fetch(
    `${served.url}${getEndpointUrl(api.createTask, { params: { board_id: f.owner.default_board_id } })}`,
    {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body,
    },
  );
  expect(created.status).toBe(201);
  expect(created.headers.get("x-content-type-options")).toBe("nosniff");
  const task: Record<string, unknown> = JSON.parse(await created.text());
  expect(task).toMatchObject({ metadata: { a: null, b: [null, { c: null }] } });
  // A column without a value is still omitted.
  expect(task).not.toHaveProperty("started_at");
});

test("the server serves its OpenAPI document to callers with a token", async () => {
  const headers = { authorization };
  const url = `http://127.0.0.1:${served.port}/api/v1/openapi.json`;
  expect((await fetch(url)).status).toBe(401);
  const response = await fetch(url, { headers });
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  expect(await response.json()).toEqual(createOpenApiDocument());
});
