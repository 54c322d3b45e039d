import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Scratch, somebody, waitUntil } from "../testing.ts";
import { ConnectionPools } from "./connections.ts";
import { createModelProxy } from "./proxy.ts";
import { createUpstream } from "./testing.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

/** Opens one proxy in front of one model server, with a port for each run. */
function openProxy(upstream: string): (run: string) => Promise<string> {
  const proxy = createModelProxy({
    routes: { main: { api: "gemini", upstreams: [createUpstream(upstream)] } },
    hooks: { pushed: async () => undefined, denied: () => undefined, modelRequest: () => undefined },
    maxBodyBytes: 1 << 20,
  });
  scratch.onClose(async () => proxy.close());
  return async (run) => {
    const context = { ...somebody, runner_id: run, run_id: run, token: `token-${run}`, model_route: "main" };
    return (await scratch.listen((req, res) => proxy.handle(context, req, res))).url;
  };
}

async function askModel(url: string, run: string, model: string): Promise<{ status: number; body: string }> {
  const asked = request(`${url}/models/main/v1beta/models/${model}`, {
    headers: { "x-goog-api-key": `token-${run}` },
    agent: false,
  });
  asked.end();
  const [res] = (await once(asked, "response")) as [IncomingMessage];
  return { status: res.statusCode ?? 0, body: await text(res) };
}

describe("a run cannot put its own request onto a connection to the model's server", () => {
  const smuggled = "GET /v1beta/models/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
  const chunk = (bytes: string) => `${bytes.length.toString(16)}\r\n${bytes}\r\n`;

  test.each([
    {
      framing: "chunks",
      headers: ["transfer-encoding: chunked"],
      opening: chunk("\r\n"),
      rest: `${chunk(smuggled)}0\r\n\r\n`,
    },
    {
      framing: "a length that `connection` hides",
      headers: [`content-length: ${smuggled.length + 2}`, "connection: content-length"],
      opening: "\r\n",
      rest: smuggled,
    },
  ])("with a body of $framing behind a GET", async ({ headers, opening, rest }) => {
    const seen: string[] = [];
    const upstream = await scratch.listen((req, res) => {
      seen.push(req.url ?? "");
      req.resume().once("end", () => res.end(`answer to ${req.url}`));
    });
    const open = openProxy(upstream.url);
    const [attacker, victim] = [await open("attacker"), await open("victim")];

    const wire = connect(Number(new URL(attacker).port), "127.0.0.1");
    let answered = "";
    wire.setEncoding("latin1").on("data", (bytes: string) => (answered += bytes));
    const head = ["GET /models/main/v1beta/models/first HTTP/1.1", "host: x", "x-goog-api-key: token-attacker"];
    wire.write(`${[...head, ...headers].join("\r\n")}\r\n\r\n${opening}`);
    await waitUntil(() => answered.includes("HTTP/1.1 "));
    wire.write(rest);

    const fromVictim = await askModel(victim, "victim", "own");
    const fromAttacker = await askModel(attacker, "attacker", "spy");
    wire.destroy();
    expect(fromVictim.body).toBe("answer to /v1beta/models/own");
    expect(fromAttacker.body).toBe("answer to /v1beta/models/spy");
    expect(seen.toSorted()).toEqual(["/v1beta/models/own", "/v1beta/models/spy"]);
    expect(answered).toMatch(/^HTTP\/1.1 400 /);
    expect(answered).toContain('"code":"bad_request"');
  });
});

describe("a connection to the model's server", () => {
  test("is kept for its own run and never used by another", async () => {
    const ports: (number | undefined)[] = [];
    const upstream = await scratch.listen((req, res) => {
      ports.push(req.socket.remotePort);
      res.end("ok");
    });
    const open = openProxy(upstream.url);
    const [first, second] = [await open("first"), await open("second")];
    for (const [url, run] of [
      [first, "first"],
      [first, "first"],
      [second, "second"],
      [second, "second"],
    ] as const)
      expect((await askModel(url, run, "m")).body).toBe("ok");
    expect(ports[1]).toBe(ports[0]);
    expect(ports[3]).toBe(ports[2]);
    expect(ports[2]).not.toBe(ports[0]);
  });

  test("is kept after each of many requests at the same time", async () => {
    const count = 12;
    const ports = new Set<number | undefined>();
    const waiting: (() => void)[] = [];
    const upstream = await scratch.listen((req, res) => {
      ports.add(req.socket.remotePort);
      waiting.push(() => res.end("ok"));
      if (waiting.length === count) for (const answer of waiting.splice(0)) answer();
    });
    const url = await openProxy(upstream.url)("first");
    for (let round = 0; round < 2; round++)
      await Promise.all(Array.from({ length: count }, () => askModel(url, "first", "m")));
    expect(ports.size).toBe(count);
  });

  test("is closed with its run's pool after a while without a request", async () => {
    const { server } = await scratch.listen((_req, res) => res.end("ok"));
    const closed = once(server, "connection").then(([socket]) => once(socket as Socket, "close"));
    const pools = new ConnectionPools(20);
    const [first, second] = [pools.open("run"), pools.open("run")];
    const { port } = server.address() as AddressInfo;
    const asked = request({ port, agent: first.getAgent("http:") });
    asked.end();
    const [res] = (await once(asked, "response")) as [IncomingMessage];
    expect(await text(res)).toBe("ok");
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(pools.size).toBe(1);
    second[Symbol.dispose]();
    await waitUntil(() => pools.size === 0);
    await closed;
  });

  test.each([
    ["the beginning of an answer", "HTTP/1.1 200 O"],
    ["a whole answer", "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nunasked"],
  ])("is not reused after %s that no request had asked for", async (_what, unasked) => {
    const accepted: Socket[] = [];
    const server = createServer((socket) => {
      const body = `connection ${accepted.push(socket)}`;
      socket.on("error", () => undefined);
      socket.on("data", () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const pools = new ConnectionPools();
    scratch.onClose(async () => {
      pools.close();
      for (const socket of accepted) socket.destroy();
      server.close();
    });

    using connections = pools.open("run");
    const ask = async () => {
      const asked = request({ port, agent: connections.getAgent("http:") });
      asked.end();
      const [res] = (await once(asked, "response")) as [IncomingMessage];
      const { socket } = res;
      return { body: await text(res), socket };
    };
    const { socket, body } = await ask();
    expect(body).toBe("connection 1");
    const before = socket.bytesRead;
    await waitUntil(() => Object.values(connections.getAgent("http:").freeSockets).flat().includes(socket));
    accepted[0]?.write(unasked);
    await waitUntil(() => socket.destroyed || socket.bytesRead > before);
    const next = await ask().catch((error: NodeJS.ErrnoException) => ({ body: error.code }));
    expect(["connection 2", "ECONNRESET"]).toContain(next.body);
    expect((await ask()).body).toMatch(/^connection [23]$/);
  });
});
