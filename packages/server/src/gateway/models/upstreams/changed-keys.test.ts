import { rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, RequestListener } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig } from "../../../config/index.ts";
import { hostGit, Scratch, waitUntil } from "../../testing.ts";
import { createUpstream } from "../testing.ts";
import { answer, ask, ModelServer, refuse, startRoute, succeed } from "./fixtures.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

test("a file of routes gives each upstream its key, from the environment, a file or a command", async () => {
  const servers = await Promise.all(["first", "second", "third"].map(() => ModelServer.start(scratch, refuse(503))));
  const [first, second, third] = servers.map(({ url }) => url);
  writeFileSync(join(scratch.path, "key"), "key-of-a-file\n");
  const upstreams = [
    { base_url: first, weight: 1, key: { env: "FIRST_KEY" } },
    { base_url: second, weight: 0.000_000_001, key: { file: "key" } },
    { base_url: third, weight: 0, key: { command: ["echo", "key of a command".replaceAll(" ", "-")] } },
  ];
  const file = join(scratch.path, "routes.json");
  writeFileSync(file, JSON.stringify({ routes: { main: { api: "gemini", upstreams } } }));
  const { modelRoutes } = readConfig({ WHARF_ROUTES: file, FIRST_KEY: "key-of-the-environment", PATH: hostGit.PATH });
  const { url } = await startRoute(scratch, [], { route: modelRoutes["main"] ?? {} });
  expect((await ask(url)).statusCode).toBe(503);
  const keys = [["key-of-the-environment"], ["key-of-a-file"], ["key-of-a-command"]];
  expect(servers.map((server) => server.keys)).toEqual(keys);
});

describe("a key that has changed", () => {
  const keyPath = () => join(scratch.path, "key");
  const fileKey = () => ({ kind: "file" as const, path: keyPath() });
  const requireKey =
    (key: string, refusal = refuse(401)): RequestListener =>
    (req, res) =>
      (req.headers["x-goog-api-key"] === key ? succeed : refusal)(req, res);
  const oldKey = "old-key-0123456789";
  const newKey = "new-key-9876543210";

  test.each([
    ["401", refuse(401)],
    ["Gemini's 400", refuse(400, { error: { message: "API key not valid. Please pass a valid API key." } })],
  ])("is used at once after a %s, with the same upstream and the same body", async (_name, refusal) => {
    writeFileSync(keyPath(), oldKey);
    let validKey = oldKey;
    const server = await ModelServer.start(scratch, (req, res) => requireKey(validKey, refusal)(req, res));
    const { url, seen } = await startRoute(scratch, [createUpstream(server.url, { key: fileKey() })]);
    expect(await text(await ask(url))).toBe(answer);
    writeFileSync(keyPath(), newKey);
    validKey = newKey;
    const body = JSON.stringify({ n: "x".repeat(300_000) });
    expect(await text(await ask(url, body))).toBe(answer);
    expect(server.keys).toEqual([oldKey, oldKey, newKey]);
    expect(server.bodies.slice(1)).toEqual([body, body]);
    await waitUntil(() => seen.outcomes.length === 2);
    expect(seen.outcomes).toEqual([{ answered: true }, { answered: true }]);
  });

  test("is tried only once, and the refusal is passed on", async () => {
    writeFileSync(keyPath(), oldKey);
    const body = { error: { message: "API key not valid." } };
    const server = await ModelServer.start(scratch, refuse(400, body));
    const { url, seen } = await startRoute(scratch, [createUpstream(server.url, { key: fileKey() })]);
    for (let n = 0; n < 2; n++) {
      const response = await ask(url);
      expect([response.statusCode, JSON.parse(await text(response))]).toEqual([400, body]);
      writeFileSync(keyPath(), newKey);
    }
    expect(server.keys).toEqual([oldKey, oldKey, newKey]);
    await waitUntil(() => seen.outcomes.length === 2);
    expect(seen.outcomes[1]).toMatchObject({ fault: { kind: "key", message: expect.stringContaining(keyPath()) } });
  });

  test("and an upstream that then fails leave no open connection", async () => {
    writeFileSync(keyPath(), oldKey);
    const closed: string[] = [];
    const server = await ModelServer.start(scratch, (req, res) => {
      const key = String(req.headers["x-goog-api-key"]);
      res.once("close", () => closed.push(key));
      if (key === newKey) return void req.socket.resetAndDestroy();
      writeFileSync(keyPath(), newKey);
      // The refusal never ends.
      res.writeHead(401).write("{");
    });
    const { url } = await startRoute(scratch, [createUpstream(server.url, { key: fileKey() })]);
    expect((await ask(url)).statusCode).toBe(502);
    await waitUntil(() => closed.length === 2);
    expect(server.keys).toEqual([oldKey, newKey]);
  });

  test("is hidden in answers, and so is the one before", async () => {
    writeFileSync(keyPath(), oldKey);
    const keys = `${oldKey} ${newKey}`;
    const server = await ModelServer.start(scratch, (_req, res) => {
      if (server.count === 1) return void res.end(JSON.stringify(keys));
      if (server.count === 2) return refuse(401)(_req, res);
      res.setHeader("x-echo", keys).end(JSON.stringify(keys));
    });
    const { url, seen } = await startRoute(scratch, [createUpstream(server.url, { key: fileKey() })]);
    expect(await text(await ask(url))).toBe(JSON.stringify(`${"*".repeat(oldKey.length)} ${newKey}`));
    writeFileSync(keyPath(), newKey);
    const response = await ask(url);
    const stars = `${"*".repeat(oldKey.length)} ${"*".repeat(newKey.length)}`;
    expect([response.headers["x-echo"], await text(response)]).toEqual([stars, JSON.stringify(stars)]);
    expect(JSON.stringify(seen)).not.toContain(oldKey);
  });

  test("and cannot be read refuses the request with the reason, and works again when it can", async () => {
    const server = await ModelServer.start(scratch, succeed);
    const { url, seen } = await startRoute(scratch, [createUpstream(server.url, { key: fileKey() })]);
    const response = await ask(url);
    expect(response.statusCode).toBe(503);
    const problem = await text(response);
    expect(JSON.parse(problem)).toMatchObject({
      code: "model_key_unreadable",
      error: { message: "The server cannot read its key for the model route 'main': its file does not exist." },
    });
    expect(problem).not.toContain(scratch.path);
    await waitUntil(() => seen.outcomes.length === 1);
    expect(seen.outcomes).toMatchObject([{ answered: false, fault: { kind: "key" } }]);
    writeFileSync(keyPath(), newKey);
    expect(await text(await ask(url))).toBe(answer);
    rmSync(keyPath());
  });

  test("is relayed completely when a long refusal turns out not to concern the key", async () => {
    writeFileSync(keyPath(), oldKey);
    const long = { error: { message: "no" }, padding: "p".repeat(3_000_000) };
    const server = await ModelServer.start(scratch, refuse(400, long));
    const { url } = await startRoute(scratch, [createUpstream(server.url, { key: fileKey() })]);
    const response: IncomingMessage = await ask(url);
    expect([response.statusCode, JSON.parse(await text(response))]).toEqual([400, long]);
  });

  test("and a refusal that breaks off while it is read is reset", async () => {
    writeFileSync(keyPath(), oldKey);
    const server = await ModelServer.start(scratch, (req, res) => {
      res.writeHead(400, { "content-length": "1000" }).write('{"error":');
      setImmediate(() => req.socket.resetAndDestroy());
    });
    const { url, seen } = await startRoute(scratch, [createUpstream(server.url, { key: fileKey() })]);
    const response = await ask(url);
    response.on("error", () => undefined).resume();
    await new Promise((resolve) => response.once("close", resolve));
    expect([response.statusCode, response.complete]).toEqual([400, false]);
    await waitUntil(() => seen.outcomes.length === 1);
    expect(seen.outcomes).toMatchObject([{ answered: false, fault: { kind: "refused" } }]);
  });
});
