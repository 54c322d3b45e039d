import { once } from "node:events";
import { type IncomingMessage, request, type RequestListener } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Flood, Scratch, somebody, waitUntil } from "../testing.ts";
import { type ModelTimes, defaultModelTimes } from "./model-times.ts";
import { key, startGateway } from "./testing.ts";

let scratch: Scratch;
const call = "v1beta/models/m:streamGenerateContent";
const event = 'data: {"candidates":[]}\n\n';
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const startModelGateway = (model: RequestListener, modelTimes: Partial<ModelTimes> = {}) =>
  startGateway(scratch, model, { context: { model_route: "gemini" }, limits: { modelTimes } });

interface Came {
  readonly status: number | undefined;
  readonly retry: unknown;
  readonly bytes: number;
  /** Whether the answer ended completely; otherwise it was reset. */
  readonly isWhole: boolean;
}

/** Sends a request as an agent does and reads to the end or the reset. */
async function ask(gateway: string, path = call, onBytes: (bytes: number) => void = () => undefined): Promise<Came> {
  const headers = { "x-goog-api-key": somebody.token };
  const req = request(`${gateway}/models/gemini/${path}`, { method: "POST", headers, agent: false });
  req.end("{}");
  const [res] = (await once(req, "response")) as [IncomingMessage];
  let bytes = 0;
  res.on("error", () => undefined).on("data", (chunk: Buffer) => onBytes((bytes += chunk.length)));
  await new Promise((resolve) => res.once("close", resolve));
  return { status: res.statusCode, retry: res.headers["x-should-retry"], bytes, isWhole: res.complete };
}

const refuse =
  (status: number, body: unknown, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) =>
    void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const error = (message: string) => ({ error: { message } });
const begin: RequestListener = (_req, res) => {
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write(event);
};

interface Fault {
  readonly model: RequestListener;
  readonly came: Partial<Came>;
  readonly kind: string;
  readonly message: string | RegExp;
  readonly times?: Partial<ModelTimes>;
}

const faults: Readonly<Record<string, Fault>> = {
  "refuses the key": {
    model: refuse(401, error("no")),
    came: { status: 401, retry: "false", isWhole: true },
    kind: "key",
    message: "The model's server returned 401: it rejects GEMINI_API_KEY.",
  },
  "refuses the key as Gemini does": {
    model: refuse(400, error("API key not valid. Please pass a valid API key.")),
    came: { status: 400, isWhole: true },
    kind: "key",
    message: "The model's server returned 400: it rejects GEMINI_API_KEY.",
  },
  "repeats what an agent wrote about keys": {
    model: refuse(400, error("Invalid value: 'the API key is not valid'")),
    came: { status: 400, isWhole: true },
    kind: "refused",
    message: "The model's server returned 400: \"Invalid value: 'the API key is not valid'\".",
  },
  "forbids the request": {
    model: refuse(403, error(`no access for ${key}`)),
    came: { status: 403, retry: "false", isWhole: true },
    kind: "forbidden",
    message: `The model's server returned 403: GEMINI_API_KEY may not do this: "no access for ${"*".repeat(key.length)}".`,
  },
  "limits the rate of requests": {
    model: refuse(429, error("slow down"), { "retry-after": "20" }),
    came: { status: 429, retry: undefined, isWhole: true },
    kind: "limited",
    message: `The model's server returned 429 (too many requests): "slow down"; it asks to wait 20 s.`,
  },
  fails: {
    model: refuse(500, {}),
    came: { status: 500, isWhole: true },
    kind: "failing",
    message: "The model's server returned 500.",
  },
  "fails in the middle of its error": {
    model: (req, res) => {
      res.writeHead(500).write('{"error":');
      setImmediate(() => req.socket.resetAndDestroy());
    },
    came: { status: 500, isWhole: false },
    kind: "failing",
    message: "The model's server returned 500.",
  },
  "knows no such model": {
    model: refuse(404, [error('models/"m" is\nnot \u001b[31mfound.')]),
    came: { status: 404, isWhole: true },
    kind: "refused",
    message: `The model's server returned 404: "models/'m' is not  [31mfound".`,
  },
  redirects: {
    model: (_req, res) => void res.writeHead(301, { location: "https://example.org/" }).end(),
    came: { status: 301, isWhole: true },
    kind: "moved",
    message: "The model's server returned 301: it redirects to another address.",
  },
  hangs: {
    model: () => undefined,
    came: { status: 502, isWhole: true },
    kind: "silent",
    message: "The model's server sent nothing for 0.4 s, so Wharf ended the request.",
    times: { firstByte: 400, slow: 100 },
  },
  "hangs in the middle of an answer": {
    model: begin,
    came: { status: 200, bytes: event.length, isWhole: false },
    kind: "silent",
    message: "The model's server sent nothing for 0.4 s, so Wharf ended the request.",
    times: { silence: 400, slow: 100 },
  },
  "cuts its answer": {
    model: (req, res) => {
      begin(req, res);
      setImmediate(() => res.destroy());
    },
    came: { status: 200, isWhole: false },
    kind: "cut",
    message: "The model's server closed the connection in the middle of a response.",
  },
  "resets the connection": {
    model: (req) => void req.socket.resetAndDestroy(),
    came: { status: 502, isWhole: true },
    kind: "unreachable",
    message: /^The model's server at http:\/\/127\.0\.0\.1:\d+ does not respond \(it closed the connection\)\.$/,
  },
  "is not a model's server": {
    model: (_req, res) => void res.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome!</html>"),
    came: { status: 200, isWhole: true },
    kind: "garbage",
    message: /^The server at http:\/\/127\.0\.0\.1:\d+ does not respond like a model's server\.$/,
  },
  "sends an empty response": {
    model: (_req, res) => void res.writeHead(200, { "content-type": "application/json" }).end(),
    came: { status: 200, bytes: 0, isWhole: true },
    kind: "garbage",
    message: /does not respond like a model's server/,
  },
  "sends data that cannot be decompressed": {
    model: (_req, res) => void res.writeHead(200, { "content-encoding": "gzip" }).end("no gzip"),
    came: { status: 200, isWhole: false },
    kind: "garbage",
    message: /does not respond like a model's server/,
  },
  "ends a stream with an error": {
    model: (_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.end(`${event}event: error\ndata: ${JSON.stringify({ type: "error", ...error("Overloaded") })}\n\n`);
    },
    came: { status: 200, isWhole: true },
    kind: "failing",
    message: `The model's server ended a response with an error: "Overloaded".`,
  },
};

describe("a model's server that", () => {
  test.each(Object.entries(faults))("%s", async (_name, { model, came, kind, message, times }) => {
    const { url, seen } = await startModelGateway(model, times);
    expect(await ask(url)).toMatchObject(came);
    await waitUntil(() => seen.used.length === 1);
    expect(seen.outcomes).toMatchObject([{ answered: false, fault: { kind } }]);
    const said = seen.outcomes[0]?.fault?.message;
    if (typeof message === "string") expect(said).toBe(message);
    else expect(said).toMatch(message);
    expect(JSON.stringify(seen)).not.toContain(key);
    expect(seen.used).toMatchObject([{ answered: false }]);
    const waited = times ? ["The model's server has not responded for 0.1 s."] : [];
    expect(seen.slow.map((fault) => fault.message)).toEqual(waited);
  });

  test("hangs on a kept connection gets the request only once", async () => {
    let asked = 0;
    const { url, seen } = await startModelGateway((_req, res) => void (++asked === 1 && res.end("{}")), {
      firstByte: 300,
    });
    expect(await ask(url)).toMatchObject({ status: 200 });
    expect(await ask(url)).toMatchObject({ status: 502 });
    expect(asked).toBe(2);
    expect(seen.outcomes).toMatchObject([{ answered: true }, { answered: false, fault: { kind: "silent" } }]);
  });

  test("does not listen", async () => {
    const { url, seen, upstream } = await startModelGateway(() => undefined);
    await new Promise((resolve) => upstream.server.close(resolve));
    expect(await ask(url)).toMatchObject({ status: 502, isWhole: true });
    await waitUntil(() => seen.used.length === 1);
    expect(seen.outcomes).toMatchObject([
      {
        answered: false,
        fault: {
          kind: "unreachable",
          message: `The model's server at ${upstream.url} does not respond (connection refused).`,
          note: "Check GEMINI_BASE_URL.",
        },
      },
    ]);
  });

  test("sends 100 MB without an event is forwarded without buffering", async () => {
    const total = 100 * 1024 * 1024;
    const flood = new Flood();
    const { url, seen } = await startModelGateway((_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      flood.send(res, { chunk: Buffer.alloc(256 * 1024, "data: without an end "), total });
    });
    let ahead = 0;
    const came = await ask(url, call, (bytes) => (ahead = Math.max(ahead, flood.sentBytes - bytes)));
    expect(came).toMatchObject({ status: 200, bytes: total, isWhole: true });
    expect(ahead).toBeLessThan(40 * 1024 * 1024);
    expect(seen.outcomes).toMatchObject([{ answered: false, fault: { kind: "garbage" } }]);
  });

  test("responds has no fault, nor has a request that the runner aborts", async () => {
    const { url, seen } = await startModelGateway((req, res) => {
      if (req.url?.includes("never:")) return res.writeHead(200).flushHeaders();
      if (req.url?.includes("json:")) return void res.end('{"candidates":[]}');
      begin(req, res);
      if (req.url?.includes("whole:")) res.end(`: comment\n\n${event}`);
    });
    const headers = { "x-goog-api-key": somebody.token };
    for (const model of ["whole", "json"]) await ask(url, `v1/models/${model}:generateContent`);
    for (const model of ["left", "never"]) {
      const path = `${url}/models/gemini/v1/models/${model}:generateContent`;
      const req = request(path, { method: "POST", headers, agent: false }).end("{}");
      const [res] = (await once(req, "response")) as [IncomingMessage];
      if (model === "left") await once(res, "data");
      res.on("error", () => undefined).destroy();
      await waitUntil(() => seen.outcomes.length === (model === "left" ? 3 : 4));
    }
    expect(seen.outcomes).toEqual([true, true, true, false].map((answered) => ({ answered })));
    expect(seen.slow).toEqual([]);
  });

  test("gets a request for anything but a completion is not watched", async () => {
    const { url, seen } = await startModelGateway(refuse(500, {}));
    expect(await ask(url, "v1beta/models/m:countTokens")).toMatchObject({ status: 500 });
    await waitUntil(() => seen.used.length === 1);
    expect(seen.outcomes).toEqual([]);
  });
});

test("a model may take ten minutes to respond, and the delay is reported after one", () => {
  expect(defaultModelTimes).toMatchObject({ firstByte: 600_000, slow: 60_000 });
});
