import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Mux, serveHttp } from "@wharf/contract/wire";
import { afterEach, describe, expect, test } from "vitest";
import { Notifier } from "../std/notifier.ts";
import { startRelay, type Relay } from "./index.ts";

/**
 * Provides the daemon's end of a wire and the gateway behind it; a test can cut the wire and
 * replace it.
 */
class TestWire {
  readonly #arrived = new Notifier();
  #ends: { daemon: Mux; server: Mux } | undefined;

  connect(gateway: RequestListener): void {
    this.#serve(createServer(gateway));
  }

  /** Serves tunnels only. */
  connectTunnels(serve: (request: IncomingMessage, socket: Duplex) => void): void {
    this.#serve(createServer().on("connect", serve));
  }

  #serve(http: Server): void {
    const [near, far] = duplexPair();
    const server = new Mux(far, { side: "server", onStream: (stream) => serveHttp(stream, http) });
    this.#ends = { daemon: new Mux(near, { side: "client", onStream: (stream) => stream.destroy() }), server };
    this.#arrived.notify();
  }

  cut(): void {
    this.#ends?.daemon.destroy(new Error("cut"));
    this.#ends?.server.destroy(new Error("cut"));
  }

  async waitForMux(signal: AbortSignal, except?: Mux): Promise<Mux> {
    for (;;) {
      const mux = this.#ends?.daemon;
      if (mux && mux !== except && !mux.ended) return mux;
      await this.#arrived.wait(signal);
    }
  }
}

const wire = new TestWire();
let relay: Relay | undefined;
afterEach(async () => {
  wire.cut();
  await relay?.close();
  relay = undefined;
});

async function start(holdMs = 5_000): Promise<Relay> {
  relay = await startRelay({ port: 0, wire, holdMs });
  return relay;
}

async function ask(options: RequestOptions, body: string | Buffer = ""): Promise<IncomingMessage> {
  const request = httpRequest({ host: "127.0.0.1", port: relay?.port, agent: false, ...options });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  // A reset emits an error on the request and on the response; the tests check the response.
  request.on("error", () => undefined);
  return response;
}
const readJson = async (response: IncomingMessage): Promise<unknown> => JSON.parse(await text(response));

test("a request reaches the gateway and its response is returned unchanged, without connection headers", async () => {
  await start();
  let seen: IncomingMessage | undefined;
  wire.connect((request, response) => {
    seen = request;
    response.writeHead(
      418,
      "Teapot",
      [
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["x-own", "yes"],
      ].flat(),
    );
    void request.pipe(response);
  });
  const response = await ask(
    {
      method: "POST",
      path: "/models/x?q=1",
      headers: {
        "x-a": "1",
        te: "trailers",
        "x-hop": "1",
        connection: "keep-alive, x-hop",
        "proxy-authorization": "p",
        "x-wharf-request-id": "forged",
      },
    },
    "hello",
  );
  expect(response.statusCode).toBe(418);
  expect(response.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  expect(await text(response)).toBe("hello");
  expect(seen?.url).toBe("/models/x?q=1");
  expect(seen?.headers).toMatchObject({ "x-a": "1", host: `127.0.0.1:${relay?.port}`, "content-length": "5" });
  for (const name of ["te", "x-hop", "proxy-authorization"]) expect(seen?.headers).not.toHaveProperty(name);
  expect(seen?.headers["x-wharf-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
});

test("both directions stream: the first piece of a response arrives before its end, whatever its size", async () => {
  await start();
  wire.connect(async (request, response) => {
    response.write("first");
    response.end(String((await buffer(request)).length));
  });
  const request = httpRequest({
    host: "127.0.0.1",
    port: relay?.port,
    method: "POST",
    path: "/git/a.git/git-receive-pack",
    agent: false,
  });
  request.write("x".repeat(100_000));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const [first] = (await once(response, "data")) as [Buffer];
  expect(first.toString()).toBe("first");
  request.end("x".repeat(40_000_000));
  expect(await text(response)).toBe("40100000");
});

test("a request waits for a wire, and fails if none opens", async () => {
  await start(400);
  const pendingRequest = ask({ path: "/models/a" });
  await sleep(100);
  wire.connect((_, response) => response.end("late but here"));
  expect(await text(await pendingRequest)).toBe("late but here");
  wire.cut();
  const refused = await ask({ path: "/models/a" });
  expect(refused.statusCode).toBe(503);
  expect(refused.headers["content-type"]).toBe("application/problem+json");
  expect(await readJson(refused)).toMatchObject({ code: "server_unreachable" });
});

test("a model request without a response byte is sent once more under the same id when the wire closes", async () => {
  await start();
  const requests: { id: unknown; body: string }[] = [];
  wire.connect(async (request) => {
    requests.push({ id: request.headers["x-wharf-request-id"], body: await text(request) });
    wire.cut();
  });
  const answer = ask({ method: "POST", path: "/models/gemini/v1beta" }, "prompt".repeat(100_000));
  while (requests.length === 0) await sleep(5);
  wire.connect(async (request, response) => {
    requests.push({ id: request.headers["x-wharf-request-id"], body: await text(request) });
    response.end("done");
  });
  expect(await text(await answer)).toBe("done");
  expect(requests).toHaveLength(2);
  expect(requests[0]).toEqual(requests[1]);
});

test("a model request is not sent a third time, and requests that change other things are not sent twice", async () => {
  await start();
  let sent = 0;
  const cutAll: RequestListener = () => {
    sent += 1;
    wire.cut();
  };
  wire.connect(cutAll);
  const model = ask({ method: "POST", path: "/models/a" }, "x");
  while (sent < 1) await sleep(5);
  wire.connect(cutAll);
  expect(await readJson(await model)).toMatchObject({ code: "server_unreachable" });
  expect(sent).toBe(2);

  wire.connect(cutAll);
  const push = await ask({ method: "POST", path: "/git/a.git/git-receive-pack" }, "x");
  expect(push.statusCode).toBe(503);
  expect(sent).toBe(3);
});

test("a model request too large to keep is sent through, but not twice", async () => {
  await start();
  let received = 0;
  wire.connect((request, response) => {
    request.on("data", (chunk: Buffer) => (received += chunk.length));
    request.on("end", () => (request.url === "/models/cut" ? wire.cut() : response.end("ok")));
  });
  const large = Buffer.alloc(33 * 1024 * 1024);
  expect(await text(await ask({ method: "POST", path: "/models/whole" }, large))).toBe("ok");
  expect(received).toBe(large.length);
  expect((await ask({ method: "POST", path: "/models/cut" }, large)).statusCode).toBe(503);
  expect(received).toBe(2 * large.length);
});

test.each([
  ["chunked", {}],
  ["of a known length", { "content-length": "1000" }],
])("a response that is cut midway (%s) is reset and never looks complete", async (_, headers) => {
  await start();
  wire.connect((_request, response) => {
    response.writeHead(200, headers);
    response.write("half");
  });
  const response = await ask({ method: "POST", path: "/models/a" });
  await once(response, "data");
  wire.cut();
  await expect(text(response)).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(response.complete).toBe(false);
});

test("a cut response is a reset also for a client that reads until the connection ends", async () => {
  await start();
  wire.connect((_request, response) => void response.write("half"));
  const socket = connect(relay?.port ?? 0, "127.0.0.1");
  socket.write("GET /models/a HTTP/1.0\r\n\r\n");
  const [head] = (await once(socket, "data")) as [Buffer];
  expect(head.toString()).toMatch(/^HTTP\/1\.1 200 /);
  wire.cut();
  await expect(once(socket, "end")).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("the gateway learns that the client left", async () => {
  await start();
  const leavingRequest = Promise.withResolvers<void>();
  wire.connect((_request, response) => {
    response.on("close", () => leavingRequest.resolve());
    response.write("x");
  });
  const response = await ask({ path: "/models/a" });
  response.destroy();
  await leavingRequest.promise;
});

test("a request for another host reaches the gateway with its whole URL", async () => {
  await start();
  wire.connect((request, response) => response.end(`gateway ${request.url}`));
  const url = "http://example.com:8080/path?q";
  expect(await text(await ask({ path: url }))).toBe(`gateway ${url}`);
});

test("the relay itself may be addressed as a proxy, by a URL and through a tunnel", async () => {
  await start();
  wire.connect((request, response) => response.end(`gateway ${request.url}`));
  expect(await text(await ask({ path: `http://127.0.0.1:${relay?.port}/models/a?b` }))).toBe("gateway /models/a?b");
  const own = `localhost:${relay?.port}`;
  const socket = connect(relay?.port ?? 0, "127.0.0.1");
  socket.write(`CONNECT ${own} HTTP/1.1\r\nhost: ${own}\r\n\r\n`);
  socket.write(`GET /models/b HTTP/1.1\r\nhost: ${own}\r\nconnection: close\r\n\r\n`);
  expect(await text(socket)).toMatch(
    /^HTTP\/1\.1 200 Connection established\r\n\r\nHTTP\/1\.1 200 OK[^]*gateway \/models\/b/,
  );
});

describe("a tunnel", () => {
  const head = "CONNECT packages.example:443 HTTP/1.1\r\nhost: packages.example:443\r\n\r\n";
  const open = () => {
    const socket = connect({ port: relay?.port ?? 0, host: "127.0.0.1", allowHalfOpen: true });
    socket.write(head);
    return socket;
  };

  test("is carried to the gateway, and each direction ends alone", async () => {
    await start();
    wire.connectTunnels((request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n\r\n${request.url} `);
      socket.pipe(socket);
    });
    const socket = open();
    const answer = text(socket);
    socket.end("x".repeat(3_000_000));
    expect(await answer).toBe(`HTTP/1.1 200 OK\r\n\r\npackages.example:443 ${"x".repeat(3_000_000)}`);
  });

  test("that the gateway refuses shows its answer", async () => {
    await start();
    wire.connectTunnels((_request, socket) => socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"));
    const socket = open();
    expect(await text(socket)).toBe("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    socket.end();
  });

  test("waits for a wire, and is an error if none comes", async () => {
    await start(200);
    expect(await text(open())).toMatch(/^HTTP\/1\.1 503 [^]*none came within 0.2 s/);
    const waiting = open();
    wire.connectTunnels((_request, socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nhere"));
    expect(await text(waiting)).toContain("here");
    waiting.end();
  });

  test("ends with its wire: with an error before the gateway answered, cut afterwards", async () => {
    await start();
    const reached = Promise.withResolvers<void>();
    wire.connectTunnels(() => reached.resolve());
    const unanswered = text(open());
    await reached.promise;
    wire.cut();
    expect(await unanswered).toMatch(/^HTTP\/1\.1 503 [^]*lost before the gateway answered/);
    wire.connectTunnels((_request, socket) => void socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    const socket = open();
    await once(socket, "data");
    wire.cut();
    await once(socket.resume(), "end");
  });

  test("ends at the gateway when its program leaves", async () => {
    await start();
    const left = Promise.withResolvers<void>();
    wire.connectTunnels((_request, socket) => {
      socket.on("error", () => undefined).once("close", () => left.resolve());
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
    });
    const socket = open();
    await once(socket, "data");
    socket.resetAndDestroy();
    await left.promise;
  });
});

test("a port in use is left alone and another one is used", async () => {
  const other = createTcpServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const takenPort = typeof address === "object" && address ? address.port : 0;
  relay = await startRelay({ port: takenPort, wire });
  expect(relay.port).toBeGreaterThan(0);
  expect(relay.port).not.toBe(takenPort);
  other.close();
});

//
test("while the model gate is closed, model requests wait indefinitely and others pass; then they continue", async () => {
  const { models } = await start(200);
  wire.connect((request, response) => response.end(`gateway ${request.url}`));
  models.close();
  const heldRequest = ask({ method: "POST", path: "/models/a" }, "x");
  const twice = ask({ path: "//models/b" });
  expect(await text(await ask({ path: "/git/a.git/info/refs" }))).toBe("gateway /git/a.git/info/refs");
  const first = await Promise.race([heldRequest, twice, sleep(500, "held")]);
  expect(first).toBe("held");
  models.open();
  expect(await text(await heldRequest)).toBe("gateway /models/a");
  await twice;
});

test("an open model request is waited for until its response ends, and one whose client left is never sent", async () => {
  const { models } = await start();
  const open: ServerResponse[] = [];
  wire.connect((_request, response) => {
    response.write("half");
    open.push(response);
  });
  const openRequest = await ask({ path: "/models/a" });
  models.close();
  const never = new AbortController().signal;
  expect(await models.waitForDrain(50, never)).toBe(1);
  const leavingRequest = httpRequest({ host: "127.0.0.1", port: relay?.port, path: "/models/b", agent: false });
  leavingRequest.on("error", () => undefined).end();
  await sleep(50);
  leavingRequest.destroy();
  const drained = models.waitForDrain(5_000, never);
  open[0]?.end(" and half");
  expect(await text(openRequest)).toBe("half and half");
  expect(await drained).toBe(0);
  await sleep(50);
  models.open();
  await sleep(50);
  expect(open).toHaveLength(1);
});
