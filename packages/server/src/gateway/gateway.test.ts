import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGateway } from "./index.ts";
import { createUpstream } from "./models/testing.ts";
import { listeningGateway, Scratch, somebody, waitUntil } from "./testing.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

async function raw(url: string, head: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(`${head}\r\nconnection: close\r\n\r\n`);
  return text(socket);
}

test("every request that is neither for git nor for a model is denied and reported with its intended host", async () => {
  const { url, seen } = await listeningGateway(scratch, { mirrors: scratch.openMirrors() });
  const asked: [head: string, host: string][] = [
    ["GET / HTTP/1.1\r\nhost: 127.0.0.1:4100", "127.0.0.1:4100"],
    ["GET http://packages.example/left-pad HTTP/1.1\r\nhost: packages.example", "packages.example"],
    ["POST https://play.googleapis.com:8443/log HTTP/1.1\r\nhost: x", "play.googleapis.com:8443"],
    ["GET /modelsx HTTP/1.1\r\nhost: a", "a"],
    ["CONNECT api.github.com:443 HTTP/1.1\r\nhost: api.github.com:443", "api.github.com"],
  ];
  for (const [head, host] of asked) {
    const answer = await raw(url, head);
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(answer).toContain(`"code":"egress_denied"`);
    expect(answer).toMatch(new RegExp(`may not reach ${RegExp.escape(host)}[.:] ?`));
  }
  expect(seen.denied.map((what) => what.host)).toEqual(asked.map(([, host]) => host));
});

test("requests whose sender left during the lookup take no place of later ones", async () => {
  const lookup = Promise.withResolvers<typeof somebody>();
  const gateway = createGateway({
    mirrors: scratch.openMirrors(),
    routes: { main: { api: "gemini", upstreams: [createUpstream("http://127.0.0.1:1")] } },
    hooks: { pushed: async () => undefined, denied: () => undefined, modelRequest: () => undefined },
  });
  let left = 0;
  const context = { ...somebody, model_route: "main" };
  const { url } = await scratch.listen((req, res) => {
    res.once("close", () => left++);
    gateway.handle(() => lookup.promise, req, res);
  });
  const ask = (socket: Socket) =>
    socket.write(
      `POST /models/main/v1/models/m:generateContent HTTP/1.1\r\nhost: a\r\nx-goog-api-key: ${somebody.token}\r\n` +
        "content-length: 2\r\nconnection: close\r\n\r\n{}",
    );
  for (let count = 1; count <= 64; count++) {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    ask(socket);
    await once(socket, "connect");
    socket.destroy();
  }
  const last = connect(Number(new URL(url).port), "127.0.0.1");
  ask(last);
  await waitUntil(() => left === 64);
  lookup.resolve(context);
  expect(await text(last)).toMatch(/^HTTP\/1.1 502 /);
});

test("a request without a known run is refused, also when the lookup fails", async () => {
  const told: object[] = [];
  const gateway = createGateway({
    mirrors: scratch.openMirrors(),
    routes: { main: { api: "gemini", upstreams: [createUpstream("http://127.0.0.1:1")] } },
    hooks: {
      pushed: async () => undefined,
      denied: (_context, what) => void told.push(what),
      modelRequest: () => undefined,
    },
  });
  const unknown = await scratch.listen((req, res) => gateway.handle(async () => undefined, req, res));
  const failing = await scratch.listen((req, res) =>
    gateway.handle(() => Promise.reject(new Error("the database is unavailable")), req, res),
  );
  expect(await raw(unknown.url, "GET /models/main/x HTTP/1.1\r\nhost: a\r\nx-api-key:")).toMatch(/^HTTP\/1.1 403 /);
  const answer = await raw(failing.url, "GET /models/main/x HTTP/1.1\r\nhost: a");
  expect(answer).toMatch(/^HTTP\/1.1 500 /);
  expect(answer).not.toContain("database");
  expect(told).toEqual([]);
});
