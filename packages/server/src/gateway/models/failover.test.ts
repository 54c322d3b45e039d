import { rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request, type RequestListener } from "node:http";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig } from "../../config/index.ts";
import type { GatewayContext, ModelRoute, ModelUpstream } from "../context.ts";
import { openMirrors } from "../git/index.ts";
import { anyAddress, hostGit, listeningGateway, Scratch, somebody, waitUntil } from "../testing.ts";
import type { ModelTimes } from "./model-times.ts";
import { createUpstream, send } from "./testing.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const call = "v1beta/models/m:streamGenerateContent";
const answer = 'data: {"candidates":[]}\n\n';
const succeed: RequestListener = (_req, res) =>
  void res.writeHead(200, { "content-type": "text/event-stream" }).end(answer);
const refuse =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) =>
    void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

/** A model's server that counts its requests. */
class ModelServer {
  readonly bodies: string[] = [];
  readonly keys: unknown[] = [];
  url = "";

  static async start(listener: RequestListener): Promise<ModelServer> {
    const server = new ModelServer();
    const { url } = await scratch.listen((req, res) => {
      server.keys.push(req.headers["x-goog-api-key"]);
      void text(req).then(
        (body) => {
          server.bodies.push(body);
          listener(req, res);
        },
        () => undefined,
      );
    });
    server.url = url;
    return server;
  }

  get count(): number {
    return this.keys.length;
  }
}

interface Setting {
  readonly route?: Partial<ModelRoute>;
  readonly context?: Partial<GatewayContext>;
  readonly times?: Partial<ModelTimes>;
}

const startGateway = async (
  upstreams: readonly ModelUpstream[],
  { route = {}, context = {}, times = {} }: Setting = {},
) => {
  const mirrors = openMirrors({
    policy: anyAddress,
    folder: join(scratch.path, "mirrors"),
    maxRepositoryMb: 1,
    gitEnvironment: hostGit,
  });
  return listeningGateway(scratch, {
    mirrors,
    routes: { main: { api: "gemini", upstreams, ...route } },
    context: { model_route: "main", ...context },
    limits: { modelTimes: times },
  });
};

/** The first upstream is asked first: weight 0 is for the others. */
const createPair = (first: string, second: string, values: Partial<ModelUpstream> = {}) => [
  createUpstream(first, values),
  createUpstream(second, { weight: 0 }),
];

const ask = (url: string, body = "{}") => send(`${url}/models/main/${call}`, { body });

/** A server that treats its connections as `treat` does. */
async function listenRaw(treat: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    treat(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  scratch.onClose(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${address.port}`;
}

describe("another upstream is asked before the first byte of an answer if the first one", () => {
  test.each([
    ["returns 500", 500, "The model's server returned 500."],
    ["is overloaded", 529, "The model's server returned 529."],
    ["limits the rate of requests", 429, "The model's server returned 429 (too many requests)."],
    ["refuses its key", 401, "The model's server returned 401: it rejects GEMINI_API_KEY."],
  ])("%s", async (_name, status, message) => {
    const first = await ModelServer.start(refuse(status));
    const second = await ModelServer.start(succeed);
    const { url, seen } = await startGateway(createPair(first.url, second.url));
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
    const second = await ModelServer.start(succeed);
    const { url, seen } = await startGateway(createPair(await listenRaw(treat), second.url));
    expect(await text(await ask(url))).toBe(answer);
    expect(seen.switched).toMatchObject([{ kind: "unreachable" }]);
  });

  test("does not listen, or hangs longer than its own limit", async () => {
    const second = await ModelServer.start(succeed);
    const hanging = await listenRaw(() => undefined);
    const { url, seen } = await startGateway([
      createUpstream(hanging, { timeoutMs: 300 }),
      createUpstream("http://127.0.0.1:1", { weight: 0.000_000_001 }),
      createUpstream(second.url, { weight: 0 }),
    ]);
    expect(await text(await ask(url))).toBe(answer);
    expect(seen.switched.map(({ kind }) => kind)).toEqual(["silent", "unreachable"]);
  });

  test("fails for a list, for the headers of a list, and for a count of tokens", async () => {
    const first = await ModelServer.start(refuse(503));
    const second = await ModelServer.start((req, res) => void res.end(req.method));
    const upstreams = createPair(first.url, second.url);
    for (const [method, path, body] of [
      ["GET", "v1/models", "GET"],
      ["HEAD", "v1/models", ""],
      ["POST", "v1/models/m:countTokens", "POST"],
      ["POST", "v1/models/m:embedContent", "POST"],
    ] as const) {
      const { url, seen } = await startGateway(upstreams);
      const response = await send(`${url}/models/main/${path}`, { method, body: method === "POST" ? "{}" : "" });
      expect([response.statusCode, await text(response)]).toEqual([200, body]);
      await waitUntil(() => seen.used.length === 1);
      expect(seen.used).toMatchObject([{ upstream: second.url, status: 200 }]);
    }
    expect([first.count, second.count]).toEqual([4, 4]);
  });

  test("has a key that cannot be read", async () => {
    const second = await ModelServer.start(succeed);
    const first = await ModelServer.start(succeed);
    const key = { kind: "file" as const, path: join(scratch.path, "missing") };
    const { url, seen } = await startGateway(createPair(first.url, second.url, { key }));
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
    const first = await ModelServer.start(refuse(status, { error: { message: "no" } }));
    const second = await ModelServer.start(succeed);
    const { url, seen } = await startGateway(createPair(first.url, second.url));
    const response = await ask(url);
    expect([response.statusCode, JSON.parse(await text(response))]).toEqual([status, { error: { message: "no" } }]);
    expect([second.count, seen.switched]).toEqual([0, []]);
  });

  test("after a byte of the answer was passed on, also if the first one then breaks", async () => {
    const first = await ModelServer.start((req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).write(answer);
      setImmediate(() => req.socket.resetAndDestroy());
    });
    const second = await ModelServer.start(succeed);
    const { url, seen } = await startGateway(createPair(first.url, second.url));
    await expect(text(await ask(url))).rejects.toThrow();
    await waitUntil(() => seen.used.length === 1);
    expect(second.count).toBe(0);
    expect(seen.outcomes).toMatchObject([{ answered: false, fault: { kind: "cut" } }]);
    expect(seen.used).toMatchObject([{ upstream: first.url, answered: false, complete: false }]);
  });

  test("when the runner leaves, and the upstream gets no rest for that", async () => {
    const first = await ModelServer.start(() => undefined);
    const second = await ModelServer.start(succeed);
    const { url, seen } = await startGateway(createPair(first.url, second.url));
    for (let n = 1; n <= 2; n++) {
      const headers = { "x-goog-api-key": somebody.token };
      const req = request(`${url}/models/main/${call}`, { method: "POST", headers, agent: false }).end("{}");
      req.on("error", () => undefined);
      await waitUntil(() => first.count === n);
      req.destroy();
      await waitUntil(() => seen.used.length === n);
    }
    expect([second.count, seen.switched]).toEqual([0, []]);
    expect(seen.outcomes).toEqual([{ answered: false }, { answered: false }]);
  });

  test("after three", async () => {
    const servers = await Promise.all(Array.from({ length: 6 }, () => ModelServer.start(refuse(503))));
    const { url, seen } = await startGateway(servers.map((server) => createUpstream(server.url)));
    const response = await ask(url);
    expect([response.statusCode, await text(response)]).toEqual([503, "{}"]);
    expect(servers.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(seen.switched).toHaveLength(2);
  });

  test("when the time for an answer is over", async () => {
    const hanging = await listenRaw(() => undefined);
    const second = await ModelServer.start(succeed);
    const { url, seen } = await startGateway(createPair(hanging, second.url), { times: { firstByte: 300 } });
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
    const first = await ModelServer.start((req, res) => (isLimited ? limited(req, res) : succeed(req, res)));
    const second = await ModelServer.start(succeed);
    const { url } = await startGateway(createPair(first.url, second.url));
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
    const first = await ModelServer.start((req, res) => (req.url?.includes("/m:") ? limited : succeed)(req, res));
    const second = await ModelServer.start(succeed);
    const { url } = await startGateway(createPair(first.url, second.url));
    for (const model of ["m", "m", "m", "other"])
      expect(await text(await send(`${url}/models/main/v1/models/${model}:streamGenerateContent`))).toBe(answer);
    expect([first.count, second.count]).toEqual([2, 3]);
  });

  test("rests is asked nevertheless if there is no other one, and its answer is passed on", async () => {
    const body = { error: { message: "slow down" } };
    const only = await ModelServer.start(refuse(429, body, { "retry-after": "600" }));
    const { url, seen } = await startGateway([createUpstream(only.url)]);
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

test("a file of routes gives each upstream its key, from the environment, a file or a command", async () => {
  const servers = await Promise.all(["first", "second", "third"].map(() => ModelServer.start(refuse(503))));
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
  const { url } = await startGateway([], { route: modelRoutes["main"] ?? {} });
  expect((await ask(url)).statusCode).toBe(503);
  const keys = [["key-of-the-environment"], ["key-of-a-file"], ["key-of-a-command"]];
  expect(servers.map((server) => server.keys)).toEqual(keys);
});

describe("a run", () => {
  test("stays with one upstream, and all runs together use each by its weight", async () => {
    const servers = await Promise.all([ModelServer.start(succeed), ModelServer.start(succeed)]);
    const [first, second] = servers;
    const upstreams = [createUpstream(first.url, { weight: 3 }), createUpstream(second.url, { weight: 1 })];
    const chosen: string[] = [];
    for (let run = 0; run < 40; run++) {
      const { url, seen } = await startGateway(upstreams, { context: { run_id: `run-${run}` } });
      for (let n = 0; n < 3; n++) await text(await ask(url));
      await waitUntil(() => seen.used.length === 3);
      const used = new Set(seen.used.map(({ upstream }) => upstream));
      expect(used.size).toBe(1);
      chosen.push(...used.values().map(String));
    }
    const share = chosen.filter((origin) => origin === first.url).length / chosen.length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(1);
  });

  test("of an organisation with its own upstream uses only that one, and others never do", async () => {
    const own = await ModelServer.start(refuse(503));
    const shared = await ModelServer.start(succeed);
    const upstreams = [createUpstream(own.url, { organizations: ["org-1"] }), createUpstream(shared.url)];
    const statuses: unknown[] = [];
    for (const organization_id of ["org-1", "org-2", undefined]) {
      const { url } = await startGateway(upstreams, { context: { ...(organization_id && { organization_id }) } });
      statuses.push((await ask(url)).statusCode);
    }
    expect(statuses).toEqual([503, 200, 200]);
    expect([own.count, shared.count]).toEqual([1, 2]);
    const { url, seen } = await startGateway([createUpstream(own.url, { organizations: ["org-1"] })]);
    const response = await ask(url);
    expect([response.statusCode, JSON.parse(await text(response)).code]).toEqual([403, "model_route_missing"]);
    expect([own.count, seen.denied.length]).toEqual([1, 1]);
  });

  test("may use only the allowed models, and the refusal names them in the API's own format", async () => {
    const server = await ModelServer.start(succeed);
    const upstreams = [createUpstream(server.url)];
    const { url, seen } = await startGateway(upstreams, { route: { models: ["gemini-*-flash", "m"] } });
    for (const path of ["models/gemini-2.5-flash:generateContent", "models/m:generateContent", "models/x:countTokens"])
      expect((await send(`${url}/models/main/v1/${path}`)).statusCode).toBe(200);
    expect((await send(`${url}/models/main/v1/models`, { method: "GET", body: "" })).statusCode).toBe(200);
    const refused = await send(`${url}/models/main/v1/models/gemini-2.5-pro:generateContent`);
    expect([refused.statusCode, refused.headers["x-should-retry"]]).toEqual([403, "false"]);
    expect(JSON.parse(await text(refused))).toMatchObject({
      code: "model_denied",
      error: {
        code: 403,
        status: "PERMISSION_DENIED",
        message: "A run may not use the model 'gemini-2.5-pro' on the model route 'main'. Allowed: gemini-*-flash, m.",
      },
    });
    expect(server.count).toBe(4);
    expect(seen.denied).toEqual([{ host: "models/main", reason: "a run may not use the model gemini-2.5-pro" }]);
  });

  test("names its model in the body of the other APIs, and a request without one is refused", async () => {
    const server = await ModelServer.start(succeed);
    const { url } = await startGateway([createUpstream(server.url)], { route: { api: "anthropic", models: ["c-*"] } });
    const askFor = async (body: object) =>
      (await send(`${url}/models/main/v1/messages`, { body: JSON.stringify(body) })).statusCode;
    expect([await askFor({ model: "c-1" }), await askFor({ model: "d" }), await askFor({})]).toEqual([200, 403, 403]);
  });
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
    const server = await ModelServer.start((req, res) => requireKey(validKey, refusal)(req, res));
    const { url, seen } = await startGateway([createUpstream(server.url, { key: fileKey() })]);
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
    const server = await ModelServer.start(refuse(400, body));
    const { url, seen } = await startGateway([createUpstream(server.url, { key: fileKey() })]);
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
    const server = await ModelServer.start((req, res) => {
      const key = String(req.headers["x-goog-api-key"]);
      res.once("close", () => closed.push(key));
      if (key === newKey) return void req.socket.resetAndDestroy();
      writeFileSync(keyPath(), newKey);
      // The refusal never ends.
      res.writeHead(401).write("{");
    });
    const { url } = await startGateway([createUpstream(server.url, { key: fileKey() })]);
    expect((await ask(url)).statusCode).toBe(502);
    await waitUntil(() => closed.length === 2);
    expect(server.keys).toEqual([oldKey, newKey]);
  });

  test("is hidden in answers, and so is the one before", async () => {
    writeFileSync(keyPath(), oldKey);
    const keys = `${oldKey} ${newKey}`;
    const server = await ModelServer.start((_req, res) => {
      if (server.count === 1) return void res.end(JSON.stringify(keys));
      if (server.count === 2) return refuse(401)(_req, res);
      res.setHeader("x-echo", keys).end(JSON.stringify(keys));
    });
    const { url, seen } = await startGateway([createUpstream(server.url, { key: fileKey() })]);
    expect(await text(await ask(url))).toBe(JSON.stringify(`${"*".repeat(oldKey.length)} ${newKey}`));
    writeFileSync(keyPath(), newKey);
    const response = await ask(url);
    const stars = `${"*".repeat(oldKey.length)} ${"*".repeat(newKey.length)}`;
    expect([response.headers["x-echo"], await text(response)]).toEqual([stars, JSON.stringify(stars)]);
    expect(JSON.stringify(seen)).not.toContain(oldKey);
  });

  test("and cannot be read refuses the request with the reason, and works again when it can", async () => {
    const server = await ModelServer.start(succeed);
    const { url, seen } = await startGateway([createUpstream(server.url, { key: fileKey() })]);
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
    const server = await ModelServer.start(refuse(400, long));
    const { url } = await startGateway([createUpstream(server.url, { key: fileKey() })]);
    const response: IncomingMessage = await ask(url);
    expect([response.statusCode, JSON.parse(await text(response))]).toEqual([400, long]);
  });

  test("and a refusal that breaks off while it is read is reset", async () => {
    writeFileSync(keyPath(), oldKey);
    const server = await ModelServer.start((req, res) => {
      res.writeHead(400, { "content-length": "1000" }).write('{"error":');
      setImmediate(() => req.socket.resetAndDestroy());
    });
    const { url, seen } = await startGateway([createUpstream(server.url, { key: fileKey() })]);
    const response = await ask(url);
    response.on("error", () => undefined).resume();
    await new Promise((resolve) => response.once("close", resolve));
    expect([response.statusCode, response.complete]).toEqual([400, false]);
    await waitUntil(() => seen.outcomes.length === 1);
    expect(seen.outcomes).toMatchObject([{ answered: false, fault: { kind: "refused" } }]);
  });
});
