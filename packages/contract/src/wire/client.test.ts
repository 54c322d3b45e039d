import { once } from "node:events";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import { PassThrough, Readable } from "node:stream";
import Fastify from "fastify";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { createDaemonEndpoint } from "../endpoint.ts";
import { RemoteError, WharfError } from "../errors/index.ts";
import { createWireClient } from "./client.ts";
import type { WireClient } from "./client.ts";
import { readRunnerFailure } from "./failure.ts";
import { serveHttp, WireAgent } from "./http.ts";
import { muxPair, readAll, settle, until } from "./testing.ts";
import type { MuxPair } from "./testing.ts";
import type { WireStream } from "./wire-stream.ts";

const runnerId = "7d0f2c1e-0000-4000-8000-000000000001";
const hello = createDaemonEndpoint({
  method: "POST",
  path: "/hello/:name",
  summary: "Says hello",
  params: z.object({ name: z.string() }),
  query: z.object({ times: z.coerce.number().default(1) }),
  body: z.object({ loud: z.boolean() }),
  response: z.object({ text: z.string() }),
});
const plain = createDaemonEndpoint({
  method: "GET",
  path: "/plain",
  summary: "Any answer",
  response: z.object({ text: z.string() }),
});
const nothing = createDaemonEndpoint({
  method: "DELETE",
  path: "/plain",
  summary: "No answer",
  status: 204,
  response: "none",
});
const lines = createDaemonEndpoint({ method: "GET", path: "/lines", summary: "Lines", response: "stream" });

/** Connects a client on one side of a wire to a server on the other. */
function serve(
  server: Server,
  options: Partial<Parameters<typeof createWireClient>[1]> = {},
): { wire: MuxPair; client: WireClient; streams: WireStream[] } & Disposable {
  const streams: WireStream[] = [];
  const wire = muxPair({}, { onStream: (stream) => (streams.push(stream), serveHttp(stream, server)) });
  return {
    wire,
    streams,
    client: createWireClient(wire.client, { runnerId, ...options }),
    [Symbol.dispose]: () => wire[Symbol.dispose](),
  };
}

const answering = (answer: (response: ServerResponse) => void, options = {}) =>
  serve(
    createServer((_, response) => answer(response)),
    options,
  );

/** Creates a client whose peer is not an HTTP server. */
function saying(bytes: string) {
  const wire = muxPair({}, { onStream: (stream) => stream.once("data", () => stream.write(bytes)) });
  return { client: createWireClient(wire.client, { runnerId }), [Symbol.dispose]: () => wire[Symbol.dispose]() };
}

const hostile = { name: "WharfError", code: "runner_hostile", context: { runner_id: runnerId } };

async function collect(
  values: AsyncIterable<unknown>,
  onValue: (value: unknown) => unknown = () => undefined,
): Promise<{ values: unknown[]; error: unknown }> {
  const seen: unknown[] = [];
  try {
    for await (const value of values) {
      seen.push(value);
      onValue(value);
    }
  } catch (error) {
    return { values: seen, error };
  }
  return { values: seen, error: undefined };
}

describe("a client on a wire", () => {
  test("calls Fastify, which never listens, in both directions at once", async () => {
    const app = Fastify();
    app.post<{ Params: { name: string }; Querystring: { times: string }; Body: { loud: boolean } }>(
      "/hello/:name",
      async ({ params, query, body, socket }) => ({
        text: `${"hello ".repeat(Number(query.times))}${params.name}${body.loud ? "!" : ""} at ${socket.remoteAddress}`,
        extra: "stripped",
      }),
    );
    await app.ready();
    const onStream = (stream: WireStream) => serveHttp(stream, app.server);
    using wire = muxPair({ onStream, peer: "the server" }, { onStream, peer: "the runner" });
    const asServer = createWireClient(wire.server, { runnerId });
    const asDaemon = createWireClient(wire.client, { runnerId });
    const input = (name: string) => ({ params: { name }, query: { times: 2 }, body: { loud: true } });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => (i % 2 ? asServer : asDaemon).call(hello, input(`w/${i}`))),
    );
    expect(answers).toEqual(
      answers.map((_, i) => ({ text: `hello hello w/${i}! at ${i % 2 ? "the server" : "the runner"}` })),
    );
    await app.close();
  });

  test("reuses a stream for the next call", async () => {
    using setup = answering((response) => response.end('{"text":"a"}'));
    for (let i = 0; i < 20; i++) expect(await setup.client.call(plain, {})).toEqual({ text: "a" });
    expect(setup.streams.length).toBe(1);
  });

  test("expects no body in a response without one", async () => {
    using setup = answering((response) => response.writeHead(204).end());
    expect(await setup.client.call(nothing, {})).toBeUndefined();
  });

  test("reports the peer's own error unchanged", async () => {
    const problem = new WharfError("branch_missing", { url: "/git/x.git", branch: "main" }).toProblem();
    using setup = answering((response) =>
      response.writeHead(422, { "content-type": "application/problem+json" }).end(JSON.stringify(problem)),
    );
    const error = await setup.client.call(plain, {}).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ code: "branch_missing", problem });
  });

  test("treats an error of the peer as foreign text", async () => {
    const told = {
      type: "t",
      title: "OK\r\nx: y",
      status: 200,
      detail: "a\0\ud800",
      code: "unauthenticated",
      next: "n",
    };
    using setup = answering((response) => response.writeHead(401).end(JSON.stringify(told)));
    const error = await setup.client.call(plain, {}).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      message: "a \uFFFD",
      problem: { code: "runner_failed", status: 502, title: "runner failed" },
    });
  });

  test("makes the texts of a response storable, except on a route that carries content", async () => {
    const text = JSON.stringify({ text: "a\0\ud800" });
    using setup = answering((response) => response.end(text));
    expect(await setup.client.call(plain, {})).toEqual({ text: "a\uFFFD\uFFFD" });
    expect(await setup.client.call({ ...plain, carriesContent: true }, {})).toEqual({ text: "a\0\ud800" });
  });

  test("accepts more than 1 MiB only from a route that carries content", async () => {
    const text = "x".repeat(2 * 1024 * 1024);
    using setup = answering((response) => response.end(JSON.stringify({ text })));
    await expect(setup.client.call(plain, {})).rejects.toMatchObject(hostile);
    expect(await setup.client.call({ ...plain, carriesContent: true }, {})).toEqual({ text });
  });

  test("reads no more of a failure's body than a problem can have", async () => {
    using setup = answering((response) => {
      response.writeHead(500);
      const more = (): void => void (response.destroyed || response.write(Buffer.alloc(64 * 1024), more));
      more();
    });
    const answer = await setup.client.request({ method: "GET", path: "/plain" });
    expect(await readRunnerFailure(answer, runnerId)).toMatchObject(hostile);
    expect(answer.body.destroyed).toBe(true);
    await until(() => setup.wire.server.streamCount === 0, "the peer has stopped");
  });

  test.each([
    ["a failure without a problem", 500, "<html>"],
    ["a redirection", 302, ""],
    ["an answer that is not JSON", 200, "{"],
    ["an answer of another shape", 200, '{"text":5}'],
    ["no answer", 200, ""],
    ["an answer beyond the limit", 200, `{"text":"${"x".repeat(2000)}"}`],
  ])("calls %s hostile", async (_, status, body) => {
    using setup = answering((response) => response.writeHead(status).end(body), { maxBytes: 1000 });
    await expect(setup.client.call(plain, {})).rejects.toMatchObject(hostile);
  });

  test.each([
    ["not HTTP", "SSH-2.0-OpenSSH\r\n"],
    ["a header without an end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`],
    ["a chunk of no size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
  ])("calls %s hostile", async (_, bytes) => {
    using setup = saying(bytes);
    await expect(setup.client.call(plain, {})).rejects.toMatchObject(hostile);
  });

  test("reports a peer that takes too long, a caller that stops waiting, and a closed wire", async () => {
    using setup = answering(() => undefined);
    await expect(setup.client.call(plain, {}, { timeoutMs: 30 })).rejects.toMatchObject({
      code: "runner_timeout",
      context: { phase: "GET /plain", after_s: 0.03 },
    });
    const abort = new AbortController();
    const call = setup.client.call(plain, {}, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error("the task was deleted")), 20);
    await expect(call).rejects.toThrow("the task was deleted");
    await until(() => setup.wire.server.streamCount === 0, "the peer knows that no caller waits");
    const lost = setup.client.call(plain, {});
    setTimeout(() => setup.wire.server.destroy(new Error("gone")), 20);
    await expect(lost).rejects.toMatchObject({ code: "runner_unavailable", context: { runner_id: runnerId } });
    await expect(setup.client.call(plain, {})).rejects.toMatchObject({ code: "runner_unavailable" });
  });

  test("never accepts a cut response as complete", async () => {
    for (const headers of [{}, { "content-length": "100" }, { connection: "close" }]) {
      using setup = answering(
        (response) => (
          response.writeHead(200, headers),
          response.write('{"text":"a"}'),
          setTimeout(() => response.destroy(), 20)
        ),
      );
      await expect(setup.client.call(plain, {})).rejects.toMatchObject({ code: "runner_unavailable" });
    }
  });

  test("fails a thousand pending calls when the wire dies, and those that wait for a stream", async () => {
    using setup = answering(() => undefined);
    const calls = Array.from({ length: 1200 }, () => setup.client.call(plain, {}).catch((e: unknown) => e));
    await until(() => setup.streams.length === 1000, "a thousand are under way");
    setup.wire.ends[0].destroy();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: "runner_unavailable" });
  });

  test("times out while it waits for a stream", async () => {
    using setup = answering(() => undefined);
    const busy = Array.from({ length: 1000 }, () => setup.client.call(plain, {}).catch((e: unknown) => e));
    await expect(setup.client.call(plain, {}, { timeoutMs: 30 })).rejects.toMatchObject({ code: "runner_timeout" });
    setup.wire.client.close();
    await Promise.all(busy);
  });

  test("streams bodies in both directions as they arrive", async () => {
    using setup = serve(createServer((incoming, response) => incoming.pipe(response)));
    const body = Readable.from([Buffer.alloc(3_000_000, "a"), Buffer.from("end")]);
    const answer = await setup.client.request({ method: "PUT", path: "/file?x=1", headers: { "x-a": "b" }, body });
    expect(answer.status).toBe(200);
    expect((await readAll(answer.body as never)).length).toBe(3_000_003);
    const failing = new Readable({
      read() {
        this.destroy(new Error("the disk failed"));
      },
    });
    await expect(setup.client.request({ method: "PUT", path: "/file", body: failing })).rejects.toThrow(
      "the disk failed",
    );
  });
});

test("a request is handled before its body arrives, and may be answered before", async () => {
  using setup = answering((response) => void response.writeHead(200).write("at once"));
  const body = new PassThrough();
  const answer = await setup.client.request({ method: "POST", path: "/talk", body });
  answer.body.setEncoding("utf8");
  expect(await once(answer.body, "data")).toEqual(["at once"]);
  answer.body.destroy();
});

describe("a stream of lines", () => {
  test("is read as it arrives, without the heartbeats", async () => {
    using setup = answering((response) => {
      response.write('{"seq":1}\n\n\n{"se');
      setTimeout(() => response.end('q":2}\n\n"last"'), 20);
    });
    expect(await collect(setup.client.stream(lines, {}))).toEqual({
      values: [{ seq: 1 }, { seq: 2 }, "last"],
      error: undefined,
    });
  });

  test("ends with an error when it is cut, never as if it were complete", async () => {
    for (const headers of [{}, { connection: "close" }]) {
      let cut: () => void = () => undefined;
      using setup = answering((response) => {
        cut = () => void response.destroy();
        response.writeHead(200, headers).write("1\n2\n");
      });
      const { values, error } = await collect(setup.client.stream(lines, {}), (value) => value === 2 && cut());
      expect(values).toEqual([1, 2]);
      expect(error).toMatchObject({ code: "runner_unavailable" });
    }
    using setup = answering((response) => void response.write("1\n"));
    const { error } = await collect(setup.client.stream(lines, {}), () => setup.wire.ends[1].destroy());
    expect(error).toMatchObject({ code: "runner_unavailable" });
  });

  test("is hostile if a line is not JSON or too long", async () => {
    for (const text of ["1\n{\n", `1\n"${"x".repeat(200)}`]) {
      using setup = answering((response) => void response.write(text), { maxLineBytes: 100 });
      const { values, error } = await collect(setup.client.stream(lines, {}));
      expect(values).toEqual([1]);
      expect(error).toMatchObject(hostile);
    }
  });

  test("is cut when nothing arrives for too long, but not while its reader is slow", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let write: (text: string) => void = () => undefined;
    using setup = answering((response) => {
      write = (text) => void response.write(text);
      write("1\n");
    });
    const stream = setup.client.stream(lines, {}, { idleTimeoutMs: 60 });
    expect(await stream.next()).toMatchObject({ value: 1 });
    // The reader pauses for longer than the peer may be silent.
    await vi.advanceTimersByTimeAsync(200);
    write("2\n");
    expect(await stream.next()).toMatchObject({ value: 2 });
    const third = stream.next();
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(50);
      write("\n");
      await settle();
    }
    write("3\n");
    expect(await third).toMatchObject({ value: 3 });
    const cut = stream.next().catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(61);
    expect(await cut).toMatchObject({ code: "runner_timeout" });
  });

  test("is reset at the peer when its reader stops", async () => {
    using setup = answering((response) => {
      const more = (): void => void (response.destroyed || response.write("1\n".repeat(10_000), more));
      more();
    });
    for await (const value of setup.client.stream(lines, {})) {
      expect(value).toBe(1);
      break;
    }
    await until(() => setup.wire.server.streamCount === 0, "the peer has stopped");
  });

  test("refuses with the peer's problem before its first line", async () => {
    const problem = new WharfError("command_not_found", { id: "x" }).toProblem();
    using setup = answering((response) => response.writeHead(404).end(JSON.stringify(problem)));
    expect((await collect(setup.client.stream(lines, {}))).error).toMatchObject({ code: "command_not_found" });
  });
});

describe("a wire's agent", () => {
  test("keeps no stream after the wire closes", async () => {
    using setup = answering((response) => response.end('{"text":"a"}'));
    const agent = new WireAgent(setup.wire.client);
    await createWireClient(agent, { runnerId }).call(plain, {});
    expect(Object.keys(agent.freeSockets).length).toBe(1);
    setup.wire.client.close();
    await until(() => Object.keys(agent.freeSockets).length === 0, "nothing is kept");
  });

  test("ends an idle stream from its own side, and later requests get another one", async () => {
    using setup = serve(createServer({ keepAliveTimeout: 0 }, (_, response) => response.end('{"text":"a"}')));
    const agent = new WireAgent(setup.wire.client, { idleMs: 20 });
    const client = createWireClient(agent, { runnerId });
    await client.call(plain, {});
    await until(() => setup.streams[0]?.destroyed === true, "the idle stream has ended");
    expect(Object.keys(agent.freeSockets)).toEqual([]);
    await client.call(plain, {});
    expect(setup.streams).toHaveLength(2);
  });
});
