import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { isWharfError, WharfConnectionError } from "./errors.ts";
import { HttpClient, type WharfOptions } from "./http-client.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, attempt: number) => void;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Serves requests by a function that knows how many came before. */
async function serve(handle: Handler, options: Partial<WharfOptions> = {}) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handle(request, response, requests.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { requests, client: new HttpClient({ url: `http://127.0.0.1:${port}/`, ...options }) };
}

function sendProblem(response: ServerResponse, status: number, code: string, context = {}): void {
  response.writeHead(status, { "content-type": "application/problem+json" });
  response.end(
    JSON.stringify({ type: "t", title: "t", status, detail: "what happened", code, next: "do this", context }),
  );
}

const sendJson = (response: ServerResponse, value: unknown) => response.end(JSON.stringify(value));

test("a request has the token of that moment, the organization, its query and its body", async () => {
  let n = 0;
  const { requests, client } = await serve(
    async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      sendJson(response, { body: JSON.parse(Buffer.concat(chunks).toString()), url: request.url });
    },
    { token: async () => `token-${++n}`, organization: "acme" },
  );
  const call = { method: "POST", path: "/a", query: { b: ["1", "2"], c: undefined, d: "ä&" }, body: { e: 1 } };
  expect(await client.json(call)).toEqual({ body: { e: 1 }, url: "/a?b=1&b=2&d=%C3%A4%26" });
  await client.json(call);
  expect(requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer token-1", "Bearer token-2"]);
  expect(requests[0]?.headers).toMatchObject({ "x-wharf-organization": "acme", "content-type": "application/json" });
});

test("an error of the server has its code, its status and the next step", async () => {
  const { client } = await serve((_request, response) => sendProblem(response, 404, "task_not_found", { id: "x" }));
  const error = await client.json({ method: "GET", path: "/" }).catch((thrown: unknown) => thrown);
  expect(isWharfError(error, "task_not_found")).toBe(true);
  expect(isWharfError(error, "board_not_found")).toBe(false);
  expect(error).toMatchObject({ status: 404, message: "what happened", next: "do this", context: { id: "x" } });
});

test("an answer of another program is a connection error, also with the status of a success", async () => {
  const { client } = await serve(
    (request, response) => {
      response.statusCode = request.url === "/wrong" ? 502 : 200;
      response.end("<html>");
    },
    { maxRetries: 0 },
  );
  for (const path of ["/wrong", "/"])
    await expect(client.json({ method: "GET", path })).rejects.toThrow(WharfConnectionError);
});

test("a request is repeated while the database restarts, but a POST only with a key, which stays the same", async () => {
  const handle: Handler = (_request, response, attempt) =>
    attempt < 3 ? sendProblem(response, 503, "database_unavailable") : sendJson(response, { attempt });
  const reading = await serve(handle);
  expect(await reading.client.json({ method: "GET", path: "/" })).toEqual({ attempt: 3 });
  const plain = await serve(handle);
  await expect(plain.client.json({ method: "POST", path: "/" })).rejects.toMatchObject({
    code: "database_unavailable",
  });
  expect(plain.requests).toHaveLength(1);
  const keyed = await serve(handle);
  expect(await keyed.client.json({ method: "POST", path: "/", hasKey: true })).toEqual({ attempt: 3 });
  const keys = keyed.requests.map(({ headers }) => headers["idempotency-key"]);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
});

test("a request that was one too many is repeated after the time that the server names, up to a minute", async () => {
  const limited = await serve((_request, response, attempt) =>
    attempt < 3
      ? sendProblem(response, 429, "too_many_requests", { retry_after_s: 0 })
      : sendJson(response, { attempt }),
  );
  expect(await limited.client.json({ method: "POST", path: "/" })).toEqual({ attempt: 3 });
  const blocked = await serve((_request, response) =>
    sendProblem(response, 429, "rate_limited", { retry_after_s: 3_600 }),
  );
  await expect(blocked.client.json({ method: "GET", path: "/" })).rejects.toMatchObject({ code: "rate_limited" });
  expect(blocked.requests).toHaveLength(1);
});

test("a request is repeated after the server closes its connection, and other errors are not", async () => {
  const closing = await serve((request, response, attempt) =>
    attempt === 1 ? request.socket.destroy() : sendJson(response, { attempt }),
  );
  expect(await closing.client.json({ method: "GET", path: "/" })).toEqual({ attempt: 2 });
  const failing = await serve((_request, response) => sendProblem(response, 500, "internal"));
  await expect(failing.client.json({ method: "GET", path: "/" })).rejects.toMatchObject({ code: "internal" });
  expect(failing.requests).toHaveLength(1);
});

test("a signal ends a request that has no answer", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const { client } = await serve(() => controller.abort(reason));
  const call = { method: "GET", path: "/", options: { signal: controller.signal } };
  await expect(client.json(call)).rejects.toBe(reason);
});

test("lines arrive one by one, and leaving the loop ends the request", async () => {
  let isClosed: Promise<unknown> | undefined;
  const { client } = await serve((_request, response) => {
    isClosed = once(response, "close");
    response.write('\n{"n":1}\n\n{"n":');
    response.write('2,"text":"ä"}\n');
  });
  const lines: unknown[] = [];
  for await (const line of client.lines({ method: "GET", path: "/" })) {
    lines.push(line);
    if (lines.length === 2) break;
  }
  expect(lines).toEqual([{ n: 1 }, { n: 2, text: "ä" }]);
  await isClosed;
});

test("events continue after the last one when their connection breaks", async () => {
  const controller = new AbortController();
  const { requests, client } = await serve((_request, response, attempt) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (attempt === 1) response.end(': hello\nid: 7\ndata: {"n":7}\n\nid: 8\ndata: {"n"');
    else response.write('event: x\nid: 8\ndata: {"n":\ndata: 8}\n\n');
  });
  const events: unknown[] = [];
  const call = { method: "GET", path: "/", options: { signal: controller.signal } };
  for await (const event of client.events(call)) {
    events.push(event);
    if (events.length === 2) break;
  }
  expect(events).toEqual([{ n: 7 }, { n: 8 }]);
  expect(requests.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "7"]);
});
