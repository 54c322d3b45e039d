import { createServer, type Server, type ServerResponse } from "node:http";
import { duplexPair } from "node:stream";
import { createWireClient, Mux, serveHttp } from "@wharf/contract/wire";
import Fastify from "fastify";
import { expect, test } from "vitest";
import { RunnerClient } from "../../runners/client/index.ts";
import { setErrorHandlers } from "./errors.ts";
import { passThrough } from "./pass-through.ts";

/**
 * Serves an API with one route that passes on the answer of a runner's daemon, over a real wire.
 */
async function startApi(daemon: (response: ServerResponse) => void) {
  const [near, far] = duplexPair();
  const server: Server = createServer((_, response) => daemon(response.on("error", () => undefined)));
  const there = new Mux(far, { side: "client", onStream: (stream) => serveHttp(stream, server) });
  const here = new Mux(near, { side: "server", onStream: (stream) => stream.destroy() });
  const runnerId = "7d0f2c1e-0000-4000-8000-000000000001";
  const client = new RunnerClient({ runnerId, link: async () => ({ client: createWireClient(here, { runnerId }) }) });
  const app = Fastify();
  setErrorHandlers(app, { bodyBytes: 1 });
  let uses = 1;
  app.get("/", (_, reply) =>
    passThrough(reply, { use: { client, [Symbol.dispose]: () => void uses-- }, method: "GET", path: "/file" }),
  );
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    url,
    uses: () => uses,
    async [Symbol.asyncDispose]() {
      await app.close();
      there.destroy(new Error("over"));
      await here.closed;
    },
  };
}

test("a file is sent as a download that no browser renders, runs or sniffs", async () => {
  await using api = await startApi((response) =>
    response.writeHead(206, { "content-type": "text/html", "set-cookie": "owned=1", etag: '"a"' }).end("<script>"),
  );
  const got = await fetch(api.url);
  expect([got.status, await got.text()]).toEqual([206, "<script>"]);
  expect(Object.fromEntries(got.headers)).toMatchObject({
    "content-type": "application/octet-stream",
    etag: '"a"',
    "x-content-type-options": "nosniff",
    "content-disposition": "attachment",
    "content-security-policy": "sandbox; default-src 'none'",
  });
  expect(got.headers.get("set-cookie")).toBeNull();
});

test("a daemon's status is not passed on, except 206 for a part of a file", async () => {
  await using api = await startApi((response) => response.writeHead(299, "I am\tthe API").end("x"));
  const got = await fetch(api.url);
  expect([got.status, got.statusText]).toEqual([200, "OK"]);
});

test("a daemon's error is cleaned and never looks like the API's own", async () => {
  const problem = {
    type: "t",
    title: "OK\r\nset-cookie: owned=1",
    status: 200,
    detail: "a\0\ud800\u001b[2J",
    code: "unauthenticated",
    next: "log in at evil.example",
  };
  await using api = await startApi((response) => response.writeHead(401).end(JSON.stringify(problem)));
  const got = await fetch(api.url);
  expect(got.status).toBe(502);
  const body = await got.text();
  expect(JSON.parse(body)).toMatchObject({ code: "runner_failed", detail: "a \uFFFD [2J", status: 502 });
  expect(body).not.toContain("evil");
});

test("an endless error is read only up to the size limit of a problem", async () => {
  let sent = 0;
  const cut = Promise.withResolvers<void>();
  await using api = await startApi((response) => {
    response.writeHead(500);
    response.once("close", () => cut.resolve());
    const piece = Buffer.alloc(256 * 1024, "x");
    const writeMore = (): void => {
      sent += piece.length;
      if (!response.destroyed && sent < 400 * 2 ** 20) response.write(piece, () => writeMore());
    };
    writeMore();
  });
  const got = await fetch(api.url);
  expect(got.status).toBe(502);
  expect(JSON.parse(await got.text())).toMatchObject({ code: "runner_hostile" });
  await cut.promise;
  // The wire's window limits the sent bytes, which are far less than 400 MiB.
  expect(sent).toBeLessThan(32 * 2 ** 20);
  expect(api.uses()).toBe(0);
});

test("an error that is cut off counts as an unavailable runner, not a hostile one", async () => {
  await using api = await startApi((response) => {
    response.writeHead(500, { "content-length": "100" }).write("{");
    setImmediate(() => response.destroy());
  });
  const got = await fetch(api.url);
  expect(JSON.parse(await got.text())).toMatchObject({ code: "runner_unavailable", status: 503 });
});
