import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { api, RemoteError, WharfError } from "@wharf/contract";
import { afterEach, describe, expect, test } from "vitest";
import { Client } from "./client.ts";

let server: Server | undefined;
afterEach(async () => {
  server?.close();
  server?.closeAllConnections();
  server = undefined;
});

async function serve(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<Client> {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => answer(request, response, body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return new Client(async () => ({ url: `http://127.0.0.1:${port}`, token: "secret" }));
}

const caught = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const id = "0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d";

describe("the client", () => {
  test("sends path, query, body and token, and returns the fields of the schema", async () => {
    let seen = {};
    const client = await serve((request, response, body) => {
      const { url, method, headers } = request;
      seen = { url, method, token: headers.authorization, type: headers["content-type"], body };
      response.end(JSON.stringify({ agent_instance_id: id, turn_id: id, more: "stripped" }));
    });
    expect(await client.call(api.startTask, { params: { task_id: "a/b" }, body: { priority: 3 } })).toEqual({
      agent_instance_id: id,
      turn_id: id,
    });
    expect(seen).toEqual({
      url: "/api/v1/orchestrator/tasks/a%2Fb/start",
      method: "POST",
      token: "Bearer secret",
      type: "application/json",
      body: '{"priority":3}',
    });
  });

  test("waits as long as a busy server asks for, and sends any request again", async () => {
    const methods: string[] = [];
    const client = await serve(({ method = "" }, response) => {
      methods.push(method);
      if (methods.length > 2) return void response.end(JSON.stringify({ agent_instance_id: id, turn_id: id }));
      const error = new WharfError("too_many_requests", { limit: 1_000, sender: "user", retry_after_s: 0 });
      response.writeHead(429).end(JSON.stringify(error.toProblem()));
    });
    expect(await client.call(api.startTask, { params: { task_id: id }, body: {} })).toMatchObject({ turn_id: id });
    expect(methods).toEqual(["POST", "POST", "POST"]);
  });

  test("does not wait for longer than the limits of requests last, nor after failed logins", async () => {
    let error = new WharfError("too_many_requests", { limit: 1_000, sender: "user", retry_after_s: 61 });
    const client = await serve((_, response) => response.writeHead(429).end(JSON.stringify(error.toProblem())));
    expect(await caught(client.call(api.serverInfo, {}))).toMatchObject({ code: "too_many_requests" });
    error = new WharfError("rate_limited", { retry_after_s: 0 }) as never;
    expect(await caught(client.call(api.serverInfo, {}))).toMatchObject({ code: "rate_limited" });
  });

  test("sends an empty body if all its fields are optional, and none if the route takes none", async () => {
    const bodies: string[] = [];
    const client = await serve((_, response, body) => {
      bodies.push(body);
      response.end(JSON.stringify({ agent_instance_id: id, turn_id: id, status: "ok", version: "1" }));
    });
    await client.call(api.startTask, { params: { task_id: id } });
    await client.call(api.health, {});
    expect(bodies).toEqual(["{}", ""]);
  });

  test("throws the server's error with its next step", async () => {
    const problem = new WharfError("task_not_found", { id: "x" }).toProblem();
    const client = await serve((_, response) => void response.writeHead(404).end(JSON.stringify(problem)));
    const error = await caught(client.call(api.getTask, { params: { task_id: id } }));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ code: "task_not_found", next: problem.next, message: "There is no task 'x'." });
  });

  test.each([
    ["an answer that is not JSON", 200, "<html>"],
    ["an answer of another shape", 200, '{"status":"fine"}'],
    ["an error of something that is not Wharf", 502, "Bad Gateway"],
  ])("reports that no Wharf server answers, after %s", async (_, status, text) => {
    const client = await serve((_, response) => void response.writeHead(status).end(text));
    expect(await caught(client.call(api.health, {}))).toMatchObject({ code: "server_unreachable" });
  });

  test("reports why a connection failed", async () => {
    const client = await serve(() => undefined);
    const { port } = server!.address() as AddressInfo;
    server!.close();
    await once(server!, "close");
    const error = await caught(client.call(api.health, {}));
    expect(error).toMatchObject({
      code: "server_unreachable",
      message: `No Wharf server answers at http://127.0.0.1:${port} (the connection was refused).`,
    });
  });

  test("reports an answer that takes too long", async () => {
    const client = await serve(() => undefined);
    expect(await caught(client.call(api.health, {}, { timeoutMs: 50 }))).toMatchObject({
      code: "server_unreachable",
      message: expect.stringContaining("in time"),
    });
  });

  test("retries until its deadline, and locates the server each time", async () => {
    const client = await serve((_, response) => void response.end('{"status":"ok","version":"1"}'));
    let asked = 0;
    const moving = new Client(async () => (++asked === 1 ? { url: "http://127.0.0.1:1" } : client.locate()));
    expect(await moving.call(api.health, {}, { retryTimeoutMs: 5_000 })).toEqual({ status: "ok", version: "1" });
    expect(asked).toBe(2);
  });

  test("ends with the signal's own reason, also between retries", async () => {
    const reason = new Error("enough");
    const nowhere = new Client(async () => ({ url: "http://127.0.0.1:1" }));
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 50);
    expect(await caught(nowhere.call(api.health, {}, { retryTimeoutMs: 5_000, signal: stop.signal }))).toBe(reason);
  });
});
