import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Scratch, somebody, waitUntil } from "../testing.ts";
import { call, createBody, key, type Model, send, type Setting, startGateway } from "./testing.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());
const startModelGateway = (model: Model, setting?: Setting) => startGateway(scratch, model, setting);

describe("a request to a model", () => {
  test.each([
    ["gemini", "/v1beta/models/m:streamGenerateContent", "x-goog-api-key", key],
    ["anthropic", "/v1/messages", "x-api-key", key],
    ["openai", "/v1/chat/completions", "authorization", `Bearer ${key}`],
  ] as const)(
    "reaches %s at %s with the real key in its place and without anything of the runner's",
    async (api, path, header, value) => {
      let got: IncomingMessage | undefined;
      let body = "";
      const { url, seen } = await startModelGateway(
        async (req, res) => {
          got = req;
          body = await text(req);
          res
            .setHeader("set-cookie", "a=b")
            .setHeader("x-ratelimit", "7")
            .setHeader("alt-svc", "h3")
            .setHeader("x-echo", `key is ${key}`)
            .end("answer");
        },
        { api, base: "/prefix/" },
      );
      const sent = JSON.stringify({ contents: "ünïcode" });
      const answer = await send(`${url}/models/main${path}?alt=sse&key=${somebody.token}&x=a%2Fb`, {
        headers: {
          "x-goog-api-key": somebody.token,
          "x-api-key": somebody.token,
          authorization: `Bearer ${somebody.token}`,
          cookie: "c=d",
          connection: "x-private",
          "x-private": "1",
          "proxy-authorization": "Basic x",
          "x-http-method-override": "DELETE",
          "x-forwarded-for": "10.0.0.1",
          "content-type": "application/json",
          "anthropic-version": "2023-06-01",
          "x-wharf-request-id": "request-7",
        },
        body: sent,
      });
      expect(await text(answer)).toBe("answer");
      expect(got?.method).toBe("POST");
      expect(got?.url).toBe(`/prefix${path}?alt=sse&x=a%2Fb`);
      expect(body).toBe(sent);
      expect(got?.headers[header]).toBe(value);
      expect(got?.headers).toMatchObject({
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-wharf-request-id": "request-7",
        "accept-encoding": "identity",
      });
      expect(JSON.stringify(got?.rawHeaders)).not.toContain(somebody.token);
      for (const name of ["cookie", "x-private", "proxy-authorization", "x-forwarded-for", "x-http-method-override"])
        expect(got?.headers[name]).toBeUndefined();
      expect(answer.headers).toMatchObject({ "x-ratelimit": "7", "x-echo": `key is ${"*".repeat(key.length)}` });
      expect(answer.headers["set-cookie"] ?? answer.headers["alt-svc"]).toBeUndefined();
      await waitUntil(() => seen.used.length === 1);
      expect(seen.used[0]).toMatchObject({
        route: "main",
        status: 200,
        request_id: "request-7",
        bytes_in: Buffer.byteLength(sent),
        bytes_out: 6,
        complete: true,
      });
      expect(seen.denied).toEqual([]);
    },
  );

  // K-091
  test("is refused at once without the run's token, in the API's own format", async () => {
    let asked = 0;
    for (const [api, form] of [
      ["gemini", { error: { code: 401, status: "UNAUTHENTICATED" } }],
      ["anthropic", { type: "error", error: { type: "authentication_error" } }],
      ["openai", { error: { code: "invalid_api_key" } }],
    ] as const) {
      const { url, seen } = await startModelGateway((_req, res) => void res.end(String(++asked)), { api });
      const answer = await send(`${url}/models/main/${call}`, {
        headers: { "x-goog-api-key": key },
        body: "x".repeat(500_000),
      });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers["x-should-retry"]).toBe("false");
      expect(JSON.parse(await text(answer))).toMatchObject(form);
      expect(seen.denied).toEqual([{ host: "models/main", reason: expect.stringContaining("token") }]);
    }
    expect(asked).toBe(0);
  });

  test("is refused for another route, a route without a key and an address outside its base", async () => {
    let asked = 0;
    const { url, seen } = await startModelGateway((_req, res) => void res.end(String(++asked)), { base: "/v1" });
    for (const [route, code] of [
      ["other", "model_route_denied"],
      ["keyless", "model_route_denied"],
      ["openai", "model_route_denied"],
      ["nothing", "model_route_unknown"],
      ["constructor", "model_route_unknown"],
      ["__proto__", "model_route_unknown"],
    ]) {
      const answer = await send(`${url}/models/${route}/x`);
      expect([answer.statusCode, answer.headers["content-type"], answer.headers["x-should-retry"]]).toEqual([
        403,
        "application/problem+json",
        "false",
      ]);
      expect(JSON.parse(await text(answer))).toMatchObject({
        code,
        error: { code: 403, status: "PERMISSION_DENIED" },
      });
    }
    for (const path of [
      "/models/main/../secret",
      "/models/main/%2e%2e/secret",
      "/models/main/a/%2E./b",
      "/models/main/..%2fsecret",
      "/models/main/x\\..\\y",
      "/models/",
      "/models/main@evil/x",
    ]) {
      expect(await rawStatus(url, path)).toBe(403);
    }
    const unlucky = await startModelGateway((_req, res) => void res.end(String(++asked)), {
      context: { model_route: "keyless" },
    });
    const missing = await send(`${unlucky.url}/models/keyless/x`);
    expect(JSON.parse(await text(missing))).toMatchObject({ code: "model_route_missing", status: 403 });
    expect(asked).toBe(0);
    expect(seen.denied.length).toBe(13);
    expect(seen.used).toEqual([]);
  });

  test.each([
    ["gemini", "GET", "/v1beta/models"],
    ["gemini", "GET", "/v1alpha/models/gemini-2.5-flash"],
    ["gemini", "POST", "/v1beta/models/gemini-2.5-flash:countTokens"],
    ["gemini", "POST", "/v1/models/embedding-001:batchEmbedContents"],
    ["anthropic", "POST", "/v1/messages/count_tokens"],
    ["anthropic", "GET", "/v1/models/claude-sonnet-4-5"],
    ["openai", "POST", "/v1/responses"],
    ["openai", "POST", "/embeddings"],
    ["openai", "GET", "/v1/models/ft:gpt-4o:org::id"],
    ["openai", "GET", "/v1/models/maker/name"],
  ] as const)("is allowed on %s for %s %s", async (api, method, path) => {
    const { url, seen } = await startModelGateway((req, res) => void res.end(`${req.method} ${req.url}`), { api });
    const body = method === "POST" ? "{}" : "";
    expect(await text(await send(`${url}/models/main${path}`, { method, body }))).toBe(`${method} ${path}`);
    expect(seen.denied).toEqual([]);
  });

  test.each([
    ["gemini", "POST", "/v1beta/files"],
    ["gemini", "GET", "/upload/v1beta/files"],
    ["gemini", "DELETE", "/v1beta/models/m"],
    ["gemini", "POST", "/v1beta/models/m:batchGenerateContent"],
    ["gemini", "POST", "/v1beta/cachedContents"],
    ["gemini", "GET", "/v1beta/models/m:generateContent"],
    ["anthropic", "POST", "/v1/messages/batches"],
    ["anthropic", "GET", "/v1/messages"],
    ["anthropic", "GET", "/v1/organizations/users"],
    ["openai", "GET", "/v1/responses/resp_1"],
    ["openai", "GET", "/v1/files"],
    ["openai", "POST", "/v1/fine_tuning/jobs"],
    ["openai", "PUT", "/v1/chat/completions"],
    ["openai", "OPTIONS", "/v1/models"],
    ["openai", "POST", "/v1/chat/completions/"],
  ] as const)("is denied on %s for %s %s", async (api, method, path) => {
    let asked = 0;
    const { url, seen } = await startModelGateway((_req, res) => void res.end(String(++asked)), { api });
    const answer = await send(`${url}/models/main${path}`, { method, body: "" });
    expect([answer.statusCode, answer.headers["x-should-retry"]]).toEqual([403, "false"]);
    expect(JSON.parse(await text(answer))).toMatchObject({ code: "model_call_denied" });
    expect(asked).toBe(0);
    expect(seen.denied).toEqual([{ host: "models/main", reason: `a run may not call ${method} ${path}` }]);
  });

  test.each([
    ["openai", "", "/v1/responses", "/v1/responses"],
    ["openai", "/", "/v1/responses", "/v1/responses"],
    ["openai", "/v1", "/v1/responses", "/v1/responses"],
    ["openai", "/v1/", "/v1/chat/completions", "/v1/chat/completions"],
    ["openai", "/v1", "/chat/completions", "/v1/chat/completions"],
    ["openai", "/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions"],
    ["openai", "/proxy", "/v1/models", "/proxy/v1/models"],
    ["anthropic", "/v1", "/v1/messages", "/v1/messages"],
    ["gemini", "/v1beta", "/v1beta/models/m:countTokens", "/v1beta/models/m:countTokens"],
    ["gemini", "/v1version", "/v1/models", "/v1version/v1/models"],
  ] as const)("reaches %s behind the base address '%s' for %s at %s", async (api, base, path, reached) => {
    const { url } = await startModelGateway((req, res) => void res.end(req.url), { api, base });
    const method = path.endsWith("models") ? "GET" : "POST";
    const answer = await send(`${url}/models/main${path}`, { method, body: method === "POST" ? "{}" : "" });
    expect(await text(answer)).toBe(reached);
  });

  test("that only tests the connection is answered by the gateway without a denial", async () => {
    let asked = 0;
    const { url, seen } = await startModelGateway((_req, res) => void res.end(String(++asked)));
    const head = (path: string) =>
      send(`${url}${path}`, { method: "HEAD", headers: { "x-goog-api-key": "" }, body: "" });
    for (const path of ["/models/main", "/models/main/"]) expect((await head(path)).statusCode).toBe(200);
    expect([asked, seen.denied, seen.used]).toEqual([0, [], []]);
    expect((await head("/models/other/")).statusCode).toBe(401);
    expect((await head("/models/main/v1beta/models")).statusCode).toBe(401);
    expect(seen.denied).toHaveLength(2);
  });

  test("arrives framed by the gateway with its length", async () => {
    const { url } = await startModelGateway(async (req, res) => {
      const { "content-length": length, "transfer-encoding": coding } = req.headers;
      res.end(JSON.stringify([length, coding, (await text(req)).length]));
    });
    const ask = async (headers: Record<string, string>, body: string, path = call) =>
      JSON.parse(await text(await send(`${url}/models/main/${path}`, { headers, body }))) as unknown;
    const body = createBody(50);
    expect(await ask({ "content-length": "50", connection: "content-length" }, body)).toEqual(["50", null, 50]);
    expect(await ask({ "transfer-encoding": "chunked" }, body)).toEqual(["50", null, 50]);
    const count = "v1beta/models/m:countTokens";
    expect(await ask({ "content-length": "0" }, "", count)).toEqual(["0", null, 0]);
  });

  test("is limited in size, with or without a declared length", async () => {
    const { url, seen } = await startModelGateway(async (req, res) => void res.end(`${(await buffer(req)).length}`), {
      limits: { maxModelBodyBytes: 100_000 },
    });
    expect(await text(await send(`${url}/models/main/${call}`, { body: createBody(100_000) }))).toBe("100000");
    const announced = await send(`${url}/models/main/${call}`, { body: Buffer.alloc(100_001) });
    expect([announced.statusCode, JSON.parse(await text(announced)).code]).toEqual([413, "body_too_large"]);
    const chunked = await send(`${url}/models/main/${call}`, {
      headers: { "transfer-encoding": "chunked" },
      body: Buffer.alloc(9_000_000),
    });
    expect([chunked.statusCode, JSON.parse(await text(chunked)).code]).toEqual([413, "body_too_large"]);
    await waitUntil(() => seen.used.length === 2);
    expect(seen.used[1]).toMatchObject({ status: 413, complete: false });
  });

  test("fails with a reason without the key when the model's server cannot be reached", async () => {
    const { url, upstream, seen } = await startModelGateway((_req, res) => void res.end());
    await new Promise((resolve) => upstream.server.close(resolve));
    const answer = await send(`${url}/models/main/${call}`);
    expect(answer.statusCode).toBe(502);
    const problem = await text(answer);
    expect(JSON.parse(problem)).toMatchObject({
      code: "model_unreachable",
      detail: expect.stringContaining("ECONNREFUSED"),
      error: { status: "UNAVAILABLE" },
    });
    expect(problem).not.toContain(key);
    await waitUntil(() => seen.used.length === 1);
    expect(seen.used[0]).toMatchObject({ status: 502, complete: false });
  });

  test.each([
    ["a status that does not exist", "HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n", "invalid status"],
    ["another protocol", "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n", "another protocol"],
  ])("fails at once when the model's server answers with %s", async (_what, hostile, reason) => {
    const { url, seen } = await startModelGateway((req) => void req.socket.end(hostile));
    const answer = await send(`${url}/models/main/${call}`);
    expect([answer.statusCode, await text(answer)]).toEqual([502, expect.stringContaining(reason)]);
    await waitUntil(() => seen.used.length === 1);
  });

  test("ends the model's work when the runner disconnects, before and during the response", async () => {
    const gone: string[] = [];
    const { url, seen } = await startModelGateway((req, res) => {
      res.on("close", () => gone.push(req.url ?? ""));
      if (req.url?.includes("/during:")) res.write("data: first\n\n");
    });
    for (const path of ["/v1/models/before:generateContent", "/v1/models/during:generateContent"]) {
      const req = request(`${url}/models/main${path}`, {
        method: "POST",
        headers: { "x-goog-api-key": somebody.token },
        agent: false,
      });
      req.on("error", () => undefined);
      req.end("{}");
      if (path.includes("/during:")) await once(req, "response");
      else await pause(50);
      req.destroy();
      await waitUntil(() => gone.includes(path));
    }
    await waitUntil(() => seen.used.length === 2);
    expect(seen.used.map((use) => [use.status, use.complete])).toEqual([
      [0, false],
      [200, false],
    ]);
  });

  test("is retried on a new connection when a kept one turns out to be dead", async () => {
    let connections = 0;
    let served = 0;
    const { url, upstream } = await startModelGateway(async (req, res) => {
      if (req.socket.remotePort && served++ === 1) return void req.socket.destroy();
      res.end(`${(await buffer(req)).length}`);
    });
    upstream.server.on("connection", () => connections++);
    expect(await text(await send(`${url}/models/main/${call}`, { body: createBody(20) }))).toBe("20");
    expect(await text(await send(`${url}/models/main/${call}`, { body: createBody(2_000_000) }))).toBe("2000000");
    expect([connections, served]).toEqual([2, 3]);
  });

  test("is not retried when its own connection was new", async () => {
    let served = 0;
    const { url } = await startModelGateway((req) => {
      served++;
      req.socket.destroy();
    });
    expect((await send(`${url}/models/main/${call}`)).statusCode).toBe(502);
    expect(served).toBe(1);
  });
});

function rawStatus(url: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1").on("data", (each: string) => (answer += each));
    socket.on("end", () => resolve(Number(answer.split(" ")[1]))).on("error", reject);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nx-goog-api-key: ${somebody.token}\r\nconnection: close\r\n\r\n`);
  });
}
