import { request } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Scratch, somebody, waitUntil } from "../../testing.ts";
import { createUpstream, send } from "../testing.ts";
import {
  answer,
  ask,
  createPair,
  getAnswerUrl,
  listenRaw,
  ModelServer,
  refuse,
  startRoute,
  succeed,
} from "./fixtures.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

describe("another upstream is asked before the first byte of an answer if the first one", () => {
  test.each([
    ["returns 500", 500, "The model's server returned 500."],
    ["is overloaded", 529, "The model's server returned 529."],
    ["limits the rate of requests", 429, "The model's server returned 429 (too many requests)."],
    ["refuses its key", 401, "The model's server returned 401: it rejects GEMINI_API_KEY."],
  ])("%s", async (_name, status, message) => {
    const first = await ModelServer.start(scratch, refuse(status));
    const second = await ModelServer.start(scratch, succeed);
    const { url, seen } = await startRoute(scratch, createPair(first.url, second.url));
    const body = JSON.stringify({ contents: "ünïcode ".repeat(50_000) });
    const response = await ask(url, body);
    expect([response.statusCode, await text(response)]).toEqual([200, answer]);
    expect([first.bodies, second.bodies]).toEqual([[body], [body]]);
    await waitUntil(() => seen.used.length === 1);
    expect(seen.used).toMatchObject([{ upstream: second.url, status: 200, answered: true, complete: true }]);
    expect(seen.outcomes).toEqual([{ answered: true }]);
    expect(seen.switched).toMatchObject([{ message, note: `Wharf asks ${second.url} instead of ${first.url}.` }]);
  });

  test.each([
    ["resets the connection", (socket: Socket) => void socket.resetAndDestroy()],
    ["closes the connection after the request", (socket: Socket) => void socket.once("data", () => socket.destroy())],
    ["does not speak HTTP", (socket: Socket) => void socket.end("SSH-2.0-OpenSSH_9.6\r\n")],
    [
      "ends a connection in the middle of a head",
      (socket: Socket) => void socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-")),
    ],
  ])("%s", async (_name, treat) => {
    const second = await ModelServer.start(scratch, succeed);
    const { url, seen } = await startRoute(scratch, createPair(await listenRaw(scratch, treat), second.url));
    expect(await text(await ask(url))).toBe(answer);
    expect(seen.switched).toMatchObject([{ kind: "unreachable" }]);
  });

  test("does not listen, or hangs longer than its own limit", async () => {
    const second = await ModelServer.start(scratch, succeed);
    const hanging = await listenRaw(scratch, () => undefined);
    const { url, seen } = await startRoute(scratch, [
      createUpstream(hanging, { timeoutMs: 300 }),
      createUpstream("http://127.0.0.1:1", { weight: 0.000_000_001 }),
      createUpstream(second.url, { weight: 0 }),
    ]);
    expect(await text(await ask(url))).toBe(answer);
    expect(seen.switched.map(({ kind }) => kind)).toEqual(["silent", "unreachable"]);
  });

  test("fails for a list, for the headers of a list, and for a count of tokens", async () => {
    const first = await ModelServer.start(scratch, refuse(503));
    const second = await ModelServer.start(scratch, (req, res) => void res.end(req.method));
    const upstreams = createPair(first.url, second.url);
    for (const [method, path, body] of [
      ["GET", "v1/models", "GET"],
      ["HEAD", "v1/models", ""],
      ["POST", "v1/models/m:countTokens", "POST"],
      ["POST", "v1/models/m:embedContent", "POST"],
    ] as const) {
      const { url, seen } = await startRoute(scratch, upstreams);
      const response = await send(`${url}/models/main/${path}`, { method, body: method === "POST" ? "{}" : "" });
      expect([response.statusCode, await text(response)]).toEqual([200, body]);
      await waitUntil(() => seen.used.length === 1);
      expect(seen.used).toMatchObject([{ upstream: second.url, status: 200 }]);
    }
    expect([first.count, second.count]).toEqual([4, 4]);
  });

  test("has a key that cannot be read", async () => {
    const second = await ModelServer.start(scratch, succeed);
    const first = await ModelServer.start(scratch, succeed);
    const key = { kind: "file" as const, path: join(scratch.path, "missing") };
    const { url, seen } = await startRoute(scratch, createPair(first.url, second.url, { key }));
    expect(await text(await ask(url))).toBe(answer);
    expect(seen.switched).toMatchObject([
      {
        kind: "key",
        message: expect.stringContaining(`It is the key in ${key.path}, for the model's server at ${first.url}.`),
      },
    ]);
    expect(first.count).toBe(0);
  });
});

describe("no other upstream is asked", () => {
  test.each([400, 403, 404, 413, 301])("after an answer with %i, which would be the same elsewhere", async (status) => {
    const first = await ModelServer.start(scratch, refuse(status, { error: { message: "no" } }));
    const second = await ModelServer.start(scratch, succeed);
    const { url, seen } = await startRoute(scratch, createPair(first.url, second.url));
    const response = await ask(url);
    expect([response.statusCode, JSON.parse(await text(response))]).toEqual([status, { error: { message: "no" } }]);
    expect([second.count, seen.switched]).toEqual([0, []]);
  });

  test("after a byte of the answer was passed on, also if the first one then breaks", async () => {
    const first = await ModelServer.start(scratch, (req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).write(answer);
      setImmediate(() => req.socket.resetAndDestroy());
    });
    const second = await ModelServer.start(scratch, succeed);
    const { url, seen } = await startRoute(scratch, createPair(first.url, second.url));
    await expect(text(await ask(url))).rejects.toThrow();
    await waitUntil(() => seen.used.length === 1);
    expect(second.count).toBe(0);
    expect(seen.outcomes).toMatchObject([{ answered: false, fault: { kind: "cut" } }]);
    expect(seen.used).toMatchObject([{ upstream: first.url, answered: false, complete: false }]);
  });

  test("when the runner leaves, and the upstream gets no rest for that", async () => {
    const first = await ModelServer.start(scratch, () => undefined);
    const second = await ModelServer.start(scratch, succeed);
    const { url, seen } = await startRoute(scratch, createPair(first.url, second.url));
    for (let n = 1; n <= 2; n++) {
      const headers = { "x-goog-api-key": somebody.token };
      const req = request(getAnswerUrl(url), { method: "POST", headers, agent: false }).end("{}");
      req.on("error", () => undefined);
      await waitUntil(() => first.count === n);
      req.destroy();
      await waitUntil(() => seen.used.length === n);
    }
    expect([second.count, seen.switched]).toEqual([0, []]);
    expect(seen.outcomes).toEqual([{ answered: false }, { answered: false }]);
  });

  test("after three", async () => {
    const servers = await Promise.all(Array.from({ length: 6 }, () => ModelServer.start(scratch, refuse(503))));
    const { url, seen } = await startRoute(
      scratch,
      servers.map((server) => createUpstream(server.url)),
    );
    const response = await ask(url);
    expect([response.statusCode, await text(response)]).toEqual([503, "{}"]);
    expect(servers.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(seen.switched).toHaveLength(2);
  });

  test("when the time for an answer is over", async () => {
    const hanging = await listenRaw(scratch, () => undefined);
    const second = await ModelServer.start(scratch, succeed);
    const { url, seen } = await startRoute(scratch, createPair(hanging, second.url), { times: { firstByte: 300 } });
    const response = await ask(url);
    expect([response.statusCode, JSON.parse(await text(response)).code]).toEqual([502, "model_unreachable"]);
    expect([second.count, seen.switched]).toEqual([0, []]);
    // The first one rests, so the agent's retry reaches the other one.
    expect(await text(await ask(url))).toBe(answer);
  });
});

describe("an upstream that", () => {
  test("asks to wait comes back by itself", async () => {
    let isLimited = true;
    const limited = refuse(429, {}, { "retry-after": "1" });
    const first = await ModelServer.start(scratch, (req, res) => (isLimited ? limited(req, res) : succeed(req, res)));
    const second = await ModelServer.start(scratch, succeed);
    const { url } = await startRoute(scratch, createPair(first.url, second.url));
    expect(await text(await ask(url))).toBe(answer);
    expect([first.count, second.count]).toEqual([1, 1]);
    isLimited = false;
    await waitUntil(async () => {
      await text(await ask(url));
      return first.count > 1;
    }, 20_000);
    const { count } = second;
    expect(await text(await ask(url))).toBe(answer);
    expect([first.count, second.count]).toEqual([3, count]);
  });

  test("asks to wait for one model gets no request for it, but still for another one", async () => {
    const limited = refuse(429, {}, { "retry-after": "600" });
    const first = await ModelServer.start(scratch, (req, res) =>
      (req.url?.includes("/m:") ? limited : succeed)(req, res),
    );
    const second = await ModelServer.start(scratch, succeed);
    const { url } = await startRoute(scratch, createPair(first.url, second.url));
    for (const model of ["m", "m", "m", "other"])
      expect(await text(await send(`${url}/models/main/v1/models/${model}:streamGenerateContent`))).toBe(answer);
    expect([first.count, second.count]).toEqual([2, 3]);
  });

  test("rests is asked nevertheless if there is no other one, and its answer is passed on", async () => {
    const body = { error: { message: "slow down" } };
    const only = await ModelServer.start(scratch, refuse(429, body, { "retry-after": "600" }));
    const { url, seen } = await startRoute(scratch, [createUpstream(only.url)]);
    for (let n = 1; n <= 3; n++) {
      const response = await ask(url);
      expect([response.statusCode, response.headers["retry-after"], await text(response)]).toEqual([
        429,
        "600",
        JSON.stringify(body),
      ]);
    }
    await waitUntil(() => seen.outcomes.length === 3);
    expect(only.count).toBe(3);
    const resetMs = Date.parse(seen.outcomes[0]?.fault?.reset_at ?? "");
    expect(Math.abs(resetMs - Date.now() - 600_000)).toBeLessThan(60_000);
  });
});
