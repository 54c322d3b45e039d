import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import type { ModelTimes } from "../../gateway/models/model-times.ts";
import { type Model, startGateway } from "../../gateway/models/testing.ts";
import { Flood, Scratch, somebody, waitUntil } from "../../gateway/testing.ts";
import { schema } from "../../store/index.ts";
import { Ledger, PriceTable } from "../../usage/index.ts";

const { model_requests, model_reservations } = schema;
const logger = pino({ level: "silent" });
const prices = new PriceTable({ versions: [{ from: "2020-01-01", prices: [{ models: ["m"], input: 1, output: 1 }] }] });
const body = JSON.stringify({ model: "m", stream: true, max_tokens: 500, stream_options: { include_usage: true } });
const megabyte = 1024 * 1024;

/** Bytes that the model's server has written, that the runner has read, and the most in between. */
let flood: Flood;
let received = 0;
let mostHeld = 0;
let scratch: Scratch;
let f: Fixture;
beforeEach(async () => {
  flood = new Flood();
  mostHeld = 0;
  scratch = await Scratch.make();
  f = await fixture();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

/** A gateway with the real ledger. */
async function startLedgerGateway(model: Model, modelTimes: Partial<ModelTimes> = {}) {
  const ledger = new Ledger({ db: f.pool, serverId: "a", logger, prices });
  const source = { runner_id: randomUUID(), run_id: randomUUID() };
  return startGateway(scratch, model, {
    api: "openai",
    limits: { modelTimes },
    reserveRequest: (_context, asked) => ledger.reserve(source, asked),
  });
}

const headers = { authorization: `Bearer ${somebody.token}`, "content-type": "application/json" };

interface Came {
  readonly status: number | undefined;
  /** Whether the answer ended completely; otherwise it was reset. */
  readonly isWhole: boolean;
  /** The beginning of the answer. */
  readonly text: string;
}

async function ask(url: string, content: Buffer | string = body, framing: Record<string, string> = {}): Promise<Came> {
  const options = { method: "POST", headers: { ...headers, ...framing }, agent: false };
  const req = request(`${url}/models/main/v1/chat/completions`, options);
  req.on("error", () => undefined).end(content);
  const [res] = (await once(req, "response")) as [IncomingMessage];
  let text = "";
  received = 0;
  res
    .on("error", () => undefined)
    .on("data", (chunk: Buffer) => {
      received += chunk.length;
      mostHeld = Math.max(mostHeld, flood.sentBytes - received);
      if (text.length < 2_000) text += chunk.toString();
    });
  await new Promise((resolve) => res.once("close", resolve));
  return { status: res.statusCode, isWhole: res.complete, text };
}

/** Returns the only row of the ledger, when no reservation is left. */
async function readRow() {
  await waitUntil(async () => (await f.db.select().from(model_requests)).length > 0, 20_000);
  expect(await f.db.select().from(model_reservations)).toEqual([]);
  const rows = await f.db.select().from(model_requests);
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

const formatEvent = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const content = formatEvent({ choices: [{ index: 0, delta: { content: "one two" } }] });
const formatUsage = (output: number) =>
  formatEvent({ choices: [], usage: { prompt_tokens: 8, completion_tokens: output, total_tokens: 8 + output } });
const begin = (res: Parameters<Model>[1]) => {
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write(content);
};

interface Hostility {
  readonly model: Model;
  readonly times?: Partial<ModelTimes>;
  readonly answer: object;
  readonly row: object;
  /** What a person reads about it. */
  readonly fault?: string;
}

const free = { input_tokens: 0, output_tokens: 0, cost: 0, estimated: false, implausible: null };
/** The question, and the words that arrived. */
const partial = { status: 200, input_tokens: 21, output_tokens: 2, estimated: true, implausible: null };

const models: Readonly<Record<string, Hostility>> = {
  "hangs before its answer": {
    model: () => undefined,
    times: { firstByte: 200 },
    answer: { status: 502, isWhole: true, text: expect.stringContaining("does not answer: no data for") },
    row: { ...partial, status: 0, output_tokens: 0 },
  },
  "hangs in its answer": {
    model: (_req, res) => begin(res),
    times: { silence: 200 },
    answer: { status: 200, isWhole: false },
    row: partial,
  },
  "resets the connection before its answer": {
    model: (req) => void req.socket.resetAndDestroy(),
    answer: { status: 502, isWhole: true, text: expect.stringContaining("does not answer: read ECONNRESET") },
    row: { ...free, status: 0 },
  },
  "resets the connection in its answer": {
    model: (req, res) => {
      begin(res);
      setTimeout(() => req.socket.resetAndDestroy(), 50);
    },
    answer: { status: 200, isWhole: false },
    row: partial,
  },
  "answers garbage": {
    model: (_req, res) => void res.writeHead(200, { "content-type": "text/event-stream" }).end("\u0000garbage {{{"),
    answer: { status: 200, isWhole: true },
    row: { ...partial, output_tokens: 0 },
  },
  "refuses with garbage": {
    model: (_req, res) => void res.writeHead(500).end("\u0000garbage {{{"),
    answer: { status: 500, isWhole: true },
    row: { ...free, status: 500 },
  },
  "sends 100 MB in one line, and its usage after it": {
    model: (_req, res) => {
      begin(res);
      res.write("data: ");
      const end = `\n\n${formatUsage(3)}data: [DONE]\n\n`;
      flood.send(res, { chunk: Buffer.alloc(256 * 1024, "x"), total: 100 * megabyte, end });
    },
    answer: { status: 200, isWhole: true },
    row: { status: 200, input_tokens: 8, output_tokens: 3, estimated: false, implausible: null },
  },
  "never ends its answer": {
    model: (_req, res) => {
      begin(res);
      flood.send(res, { chunk: Buffer.from(content.repeat(1_000)), total: Number.POSITIVE_INFINITY });
    },
    times: { answer: 500 },
    answer: { status: 200, isWhole: false },
    // No answer has more than the request allows.
    row: { ...partial, output_tokens: 500 },
    fault: "The model's server did not end its answer within 0.5 s, so Wharf ended the request.",
  },
  "reports more output than its answer can have": {
    model: (_req, res) => {
      begin(res);
      res.end(`${formatUsage(400_000_000)}data: [DONE]\n\n`);
    },
    answer: { status: 200, isWhole: true },
    row: { status: 200, estimated: true, implausible: expect.stringContaining("400000000 output tokens") },
  },
  "reports a negative usage": {
    model: (_req, res) => {
      begin(res);
      res.end(`${formatUsage(-5)}data: [DONE]\n\n`);
    },
    answer: { status: 200, isWhole: true },
    row: { ...partial, input_tokens: 8, implausible: expect.stringContaining("not a count of tokens") },
  },
};

test.each(Object.entries(models))("a model's server that %s is in the ledger", async (_name, hostile) => {
  const { url, seen } = await startLedgerGateway(hostile.model, hostile.times);
  expect(await ask(url)).toMatchObject(hostile.answer);
  expect(await readRow()).toMatchObject(hostile.row);
  if (hostile.fault !== undefined) expect(seen.outcomes[0]?.fault?.message).toBe(hostile.fault);
  expect(mostHeld).toBeLessThan(40 * megabyte);
});

test.each([
  ["with a declared length", {}],
  ["without one", { "transfer-encoding": "chunked" }],
])("a request of 50 MB %s is refused with a clear error, and costs nothing", async (_name, framing) => {
  let asked = 0;
  const { url } = await startLedgerGateway((_req, res) => {
    asked++;
    res.end("{}");
  });
  const question = Buffer.from(JSON.stringify({ model: "m", messages: ["x".repeat(50 * megabyte)] }));
  // Bodies of several requests would not fit into what one runner may have in memory.
  for (let i = 0; i < 3; i++)
    expect(await ask(url, question, framing)).toMatchObject({
      status: 413,
      text: expect.stringContaining("The request is larger than 32 MiB."),
    });
  expect(asked).toBe(0);
  expect(await f.db.select().from(model_requests)).toEqual([]);
  expect(await f.db.select().from(model_reservations)).toEqual([]);
});
