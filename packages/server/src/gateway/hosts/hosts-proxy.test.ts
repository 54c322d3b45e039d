import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { getHostPatterns } from "@wharf/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { listeningGateway, Scratch, waitUntil } from "../testing.ts";
import { parseClientHello } from "./client-hello.ts";
import { createHello } from "./fixtures/client-hello.ts";
import type { HostRule } from "./index.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const publicAddress = "93.184.216.34";

/** The addresses of made-up hosts. */
const addresses: Record<string, readonly string[]> = {
  "packages.example": [publicAddress],
  "mirror.example": ["10.1.2.3"],
  "rebound.example": ["127.0.0.1"],
  "metadata.example": ["169.254.169.254"],
  "mixed.example": ["127.0.0.1", publicAddress],
};

const allow = (...entries: string[]): HostRule[] => [
  { patterns: entries.flatMap(getHostPatterns), allowsPrivate: false },
];

/** Starts a gateway whose connections to every address lead to a server of the test. */
async function startProxy(rules: readonly HostRule[], handle: (socket: Socket) => void, times = {}) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    handle(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scratch.onClose(async () => void server.close());
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const dialled: { name: string; port: number; addresses: string[] }[] = [];
  const dial = ((options: { host: string; port: number; lookup: Function }) => {
    options.lookup(options.host, {}, (_error: unknown, found: { address: string }[]) =>
      dialled.push({ name: options.host, port: options.port, addresses: found.map((one) => one.address) }),
    );
    return connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  }) as unknown as typeof connect;
  const { url, seen } = await listeningGateway(scratch, {
    mirrors: scratch.openMirrors(),
    limits: {
      hosts: {
        findRules: async () => rules,
        findAddresses: async (name) => {
          const found = addresses[name];
          if (!found) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND" });
          return found.map((one) => ({ address: one, family: 4 as const }));
        },
        connect: dial,
        times,
      },
    },
  });
  return { port: Number(new URL(url).port), seen, dialled };
}

/** Sends `CONNECT` and returns the answer's status, and the tunnel if there is one. */
async function openTunnel(port: number, authority: string): Promise<{ status: number; body: string; socket: Socket }> {
  const req = request({ host: "127.0.0.1", port, method: "CONNECT", path: authority, agent: false });
  req.end();
  const [response, socket, head] = (await once(req, "connect")) as [IncomingMessage, Socket, Buffer];
  socket.on("error", () => undefined);
  const status = response.statusCode ?? 0;
  return { status, body: status === 200 ? "" : `${String(head)}${await text(socket)}`, socket };
}

/** Answers with the name that the client's TLS hello asks for, in plain text. */
function answerServerName(socket: Socket): void {
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const hello = parseClientHello(bytes);
    if (hello.kind === "hello") socket.end(`name=${hello.serverName}`);
  });
}

describe("a tunnel", () => {
  test("leads to a host of the allow-list, to an address that was checked, and is counted", async () => {
    const { port, seen, dialled } = await startProxy(allow("packages.example"), (socket) => {
      socket.once("data", () => socket.end("answer"));
    });
    const { status, socket } = await openTunnel(port, "Packages.Example.:80");
    expect(status).toBe(200);
    socket.write("GET / HTTP/1.1\r\nhost: packages.example\r\n\r\n");
    expect(await text(socket)).toBe("answer");
    expect(dialled).toEqual([{ name: "packages.example", port: 80, addresses: [publicAddress] }]);
    await waitUntil(() => seen.hosts.length === 1);
    expect(seen.hosts).toEqual([
      { name: "packages.example", port: 80, bytes_in: 6, bytes_out: 42, duration_ms: expect.any(Number), ended: true },
    ]);
    expect(seen.denied).toEqual([]);
  });

  test("is counted while it is open, and each byte once", async () => {
    const echoAll = (socket: Socket) => void socket.pipe(socket);
    const { port, seen } = await startProxy(allow("packages.example"), echoAll, { reportMs: 5 });
    const { socket } = await openTunnel(port, "packages.example:80");
    const head = "POST / HTTP/1.1\r\nhost: packages.example\r\n\r\n";
    const countSent = () => seen.hosts.reduce((sum, { bytes_out }) => sum + bytes_out, 0);
    socket.write(head);
    await waitUntil(() => countSent() === head.length);
    socket.write("more");
    await waitUntil(() => countSent() === head.length + 4);
    expect(seen.hosts.map(({ ended }) => ended)).not.toContain(true);
    const echo = text(socket);
    socket.end("end");
    expect(await echo).toBe(`${head}moreend`);
    await waitUntil(() => seen.hosts.at(-1)?.ended === true);
    expect(countSent()).toBe(head.length + 7);
    expect(seen.hosts.reduce((sum, { bytes_in }) => sum + bytes_in, 0)).toBe(head.length + 7);
  });

  test("carries TLS only to the name of its CONNECT", async () => {
    const { port, seen } = await startProxy(allow("packages.example", "mirror.example"), answerServerName);
    const send = async (servername?: string) => {
      const { socket } = await openTunnel(port, "packages.example:443");
      socket.write(await createHello(servername === undefined ? {} : { servername }));
      return text(socket).catch(() => "");
    };
    expect(await send("packages.example")).toBe("name=packages.example");
    expect(await send("PACKAGES.example")).toBe("name=PACKAGES.example");
    expect(await send("mirror.example")).toBe("");
    expect(await send()).toBe("");
    expect(seen.denied.map(({ host, reason }) => `${host}: ${reason}`)).toEqual([
      "packages.example: its TLS hello names the server 'mirror.example'",
      "packages.example: its TLS hello names no server",
    ]);
  });

  test("to port 443 carries nothing but TLS, and to port 80 no request for another host", async () => {
    const { port, seen } = await startProxy(
      allow("packages.example"),
      (socket) => void socket.on("data", () => socket.end("no")),
    );
    const send = async (authority: string, bytes: string) => {
      const { socket } = await openTunnel(port, authority);
      socket.write(bytes);
      return text(socket).catch(() => "");
    };
    expect(await send("packages.example:443", "SSH-2.0-OpenSSH_9.6\r\n")).toBe("");
    expect(await send("packages.example:443", "GET / HTTP/1.1\r\nhost: packages.example\r\n\r\n")).toBe("");
    expect(await send("packages.example:80", "GET / HTTP/1.1\r\nhost: other.example\r\n\r\n")).toBe("");
    expect(await send("packages.example:80", "GET / HTTP/1.1\r\nhost: packages.example\r\nHost: b\r\n\r\n")).toBe("");
    expect(seen.denied.map(({ reason }) => reason)).toEqual([
      "it does not begin with a TLS hello",
      "it does not begin with a TLS hello",
      "its first request names another host",
      "its first request names another host",
    ]);
  });

  test("carries as much as each side reads, in both directions, and ends each direction alone", async () => {
    const { port, seen } = await startProxy(allow("packages.example"), (socket) => void socket.pipe(socket));
    const { socket } = await openTunnel(port, "packages.example:80");
    const head = Buffer.from("POST / HTTP/1.1\r\nhost: packages.example\r\n\r\n");
    const body = randomBytes(20_000_000);
    const echo = buffer(socket);
    socket.end(Buffer.concat([head, body]));
    expect((await echo).equals(Buffer.concat([head, body]))).toBe(true);
    await waitUntil(() => seen.hosts.length === 1);
    expect(seen.hosts[0]).toMatchObject({ bytes_in: head.length + body.length, bytes_out: head.length + body.length });
  });

  test("ends when it has carried nothing for a while, or its program is silent from the start", async () => {
    const ends: string[] = [];
    const { port } = await startProxy(
      allow("packages.example"),
      (socket) => void socket.resume().on("end", () => ends.push("outer")),
      { idleMs: 100, helloMs: 100 },
    );
    const { socket } = await openTunnel(port, "packages.example:80");
    socket.write("GET / HTTP/1.1\r\nhost: packages.example\r\n\r\n");
    expect(await text(socket).catch(() => "")).toBe("");
    const silent = await openTunnel(port, "packages.example:80");
    expect(await text(silent.socket).catch(() => "")).toBe("");
    await waitUntil(() => ends.length === 2);
  });

  test.each([
    ["other.example:443", "other.example: no allow-list contains it", "wharf allow other.example --task <task>"],
    ["packages.example:22", "packages.example:22: port 22 is never reachable from a runner", "Use one of them"],
    ["packages.example:25", "packages.example:25: port 25 is never reachable from a runner", "Use one of them"],
    [
      "rebound.example:443",
      "rebound.example: its address 127.0.0.1 leads to the server's own machine",
      "Use one of them",
    ],
    ["metadata.example:80", "metadata.example: its address 169.254.169.254 leads to", "Use one of them"],
    [
      "mirror.example:443",
      "mirror.example: its address 10.1.2.3 is in a private network",
      "wharf allow mirror.example",
    ],
    ["93.184.216.34:443", "93.184.216.34:443: a runner reaches hosts by their names", "Use one of them"],
    ["2130706433:443", "2130706433:443: a runner reaches hosts by their names", "Use one of them"],
    ["[::ffff:7f00:1]:443", "[::ffff:7f00:1]:443: a runner reaches hosts by their names", "Use one of them"],
    ["localhost:4000", "localhost:4000: in a runner, localhost is the runner itself", "Use one of them"],
    ["packages.example", "packages.example: a runner reaches hosts by their names", "Use one of them"],
    ["user:secret@other.example:443", "other.example:443: a runner reaches", "Use one of them"],
  ])("to %s is denied and reported: %s", async (authority, report, next) => {
    const { port, seen, dialled } = await startProxy(
      allow("packages.example", "mirror.example", "rebound.example", "metadata.example"),
      () => undefined,
    );
    const { status, body } = await openTunnel(port, authority);
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({ code: "egress_denied", next: expect.stringContaining(next) });
    expect(seen.denied.map(({ host, reason }) => `${host}: ${reason}`)).toEqual([expect.stringContaining(report)]);
    expect(body).not.toContain("secret");
    expect(dialled).toEqual([]);
  });

  test("goes only to those addresses of a host that may be reached", async () => {
    const entry = getHostPatterns("mirror.example");
    const { port, dialled } = await startProxy(
      [...allow("mixed.example"), { patterns: entry, allowsPrivate: true }],
      (socket) => void socket.end(),
    );
    expect((await openTunnel(port, "mixed.example:443")).status).toBe(200);
    expect((await openTunnel(port, "mirror.example:443")).status).toBe(200);
    expect(dialled.map((one) => one.addresses)).toEqual([[publicAddress], ["10.1.2.3"]]);
  });

  test("to a host that does not exist is an error, and no denial", async () => {
    const { port, seen } = await startProxy(allow("gone.example"), () => undefined);
    const { status, body } = await openTunnel(port, "gone.example:443");
    expect(status).toBe(502);
    expect(body).toContain("The host gone.example cannot be reached: the name does not exist.");
    expect(seen.denied).toEqual([]);
  });

  test("is refused while its runner has too many open", async () => {
    const { port } = await startProxy(allow("packages.example"), () => undefined);
    const tunnels = await Promise.all(Array.from({ length: 256 }, () => openTunnel(port, "packages.example:443")));
    expect(new Set(tunnels.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await openTunnel(port, "packages.example:443")).status).toBe(429);
    for (const { socket } of tunnels) socket.destroy();
    await expect
      .poll(async () => (await openTunnel(port, "packages.example:443")).status, { timeout: 5_000 })
      .toBe(200);
  });
});

describe("a plain request", () => {
  const answer = (body: string) =>
    `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nx-one: 1\r\nproxy-authenticate: x\r\n\r\n${body}`;

  async function send(
    port: number,
    path: string,
    options: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ) {
    const req = request({
      host: "127.0.0.1",
      port,
      path,
      method: options.method ?? "GET",
      headers: options.headers,
      agent: false,
    });
    req.end(options.body);
    const [response] = (await once(req, "response")) as [IncomingMessage];
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  }

  test("reaches a host of the allow-list with its body, and without what concerns the proxy alone", async () => {
    let received = "";
    const { port, seen, dialled } = await startProxy(allow("packages.example"), (socket) => {
      socket.on("data", (chunk: Buffer) => {
        received += String(chunk);
        if (received.endsWith("hello")) socket.end(answer("fine"));
      });
    });
    const headers = {
      host: "evil.example",
      "proxy-authorization": "Basic c2VjcmV0",
      "x-two": "2",
      "x-wharf-request-id": "1",
    };
    const result = await send(port, "http://packages.example/a?b=c", { method: "POST", body: "hello", headers });
    expect(result).toMatchObject({ status: 200, body: "fine", headers: { "x-one": "1" } });
    expect(result.headers).not.toHaveProperty("proxy-authenticate");
    expect(received).toMatch(/^POST \/a\?b=c HTTP\/1\.1\r\n/);
    expect(received).toContain("host: packages.example\r\n");
    expect(received).toContain("x-two: 2\r\n");
    expect(received).not.toMatch(/proxy-authorization|x-wharf|evil/);
    expect(dialled).toEqual([{ name: "packages.example", port: 80, addresses: [publicAddress] }]);
    await waitUntil(() => seen.hosts.length === 1);
    expect(seen.hosts[0]).toMatchObject({ bytes_in: 4, bytes_out: 5 });
  });

  test("keeps the length of its body, which would else begin another request", async () => {
    let received = "";
    const { port } = await startProxy(allow("packages.example"), (socket) => {
      socket.on("data", (chunk: Buffer) => {
        received += String(chunk);
        if (received.endsWith("hello")) socket.end(answer("fine"));
      });
    });
    const headers = { connection: "content-length", "content-length": "5" };
    await send(port, "http://packages.example/", { method: "GET", body: "hello", headers });
    expect(received.toLowerCase()).toContain("content-length: 5\r\n");
  });

  test("to another host, or for https, is denied and reported", async () => {
    const { port, seen } = await startProxy(allow("packages.example"), () => undefined);
    for (const url of [
      "http://other.example/",
      "http://127.0.0.1:5432/",
      "https://packages.example/",
      "ftp://packages.example/",
    ])
      expect(await send(port, url)).toMatchObject({ status: 403 });
    expect(seen.denied.map(({ host }) => host)).toEqual([
      "other.example",
      "127.0.0.1:5432",
      "packages.example",
      "packages.example",
    ]);
  });

  test("whose answer breaks off is broken off too, and one without an answer is an error", async () => {
    const half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    const { port } = await startProxy(allow("packages.example"), (socket) => {
      socket.once("data", (chunk: Buffer) => (String(chunk).includes("/half") ? socket.end(half) : socket.destroy()));
    });
    await expect(send(port, "http://packages.example/half")).rejects.toThrow("aborted");
    expect(await send(port, "http://packages.example/none")).toMatchObject({
      status: 502,
      body: expect.stringContaining("The host packages.example cannot be reached"),
    });
  });

  test.each([
    ["a status that does not exist", "HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n"],
    ["another protocol", "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n"],
  ])("whose answer has %s is an error, and the next one works", async (_what, hostile) => {
    const { port } = await startProxy(allow("packages.example"), (socket) => {
      socket.once("data", (chunk: Buffer) => socket.end(String(chunk).includes("/hostile") ? hostile : answer("fine")));
    });
    expect(await send(port, "http://packages.example/hostile")).toMatchObject({
      status: 502,
      body: expect.stringContaining("The host packages.example cannot be reached"),
    });
    expect(await send(port, "http://packages.example/next")).toMatchObject({ status: 200, body: "fine" });
  });
});
