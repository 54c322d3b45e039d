import { once } from "node:events";
import { duplexPair } from "node:stream";
import { execApi, type ExecResult } from "@wharf/contract";
import { expect, test } from "vitest";
import { createRoutes, createEndpointServer } from "./endpoint-server.ts";

test("a client that leaves while its request is read is noticed", async () => {
  const given = Promise.withResolvers<AbortSignal>();
  const execOnce = (_: unknown, signal: AbortSignal): Promise<ExecResult> => {
    given.resolve(signal);
    return new Promise(() => undefined);
  };
  const routes = createRoutes({ execOnce: execApi.execOnce }, { execOnce });
  const server = createEndpointServer({ routes, raw: [], onInternal: () => undefined });
  // The connection closes with the body's last byte, before the server has read on.
  server.prependListener("request", (request) => request.once("end", () => request.socket.destroy()));
  const [caller, accepted] = duplexPair();
  server.emit("connection", accepted);
  const body = JSON.stringify({ command: "true" });
  const { method, path } = execApi.execOnce;
  caller.write(`${method} ${path} HTTP/1.1\r\nhost: runner\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  const signal = await given.promise;
  await expect.poll(() => signal.aborted).toBe(true);
});

test("idle streams are left to the server, whose next request must not meet their end", async () => {
  const execOnce = async (): Promise<ExecResult> => Promise.reject(new Error("not used"));
  const routes = createRoutes({ execOnce: execApi.execOnce }, { execOnce });
  const server = createEndpointServer({ routes, raw: [], onInternal: () => undefined });
  const [caller, accepted] = duplexPair();
  server.emit("connection", accepted);
  caller.write("GET /nothing HTTP/1.1\r\nhost: runner\r\n\r\n");
  const [head] = (await once(caller, "data")) as [Buffer];
  expect(head.toString().toLowerCase()).not.toContain("keep-alive: timeout");
  expect(server.keepAliveTimeout).toBe(0);
});
