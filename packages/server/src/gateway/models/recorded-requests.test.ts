import { once } from "node:events";
import { text } from "node:stream/consumers";
import { WharfError } from "@wharf/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ModelRequest, RequestOutcome } from "../../usage/index.ts";
import { Scratch, somebody, waitUntil } from "../testing.ts";
import { type Model, send, startGateway } from "./testing.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const headers = { authorization: `Bearer ${somebody.token}`, "x-wharf-request-id": "id-1" };
const body = JSON.stringify({ model: "m", stream: true, max_tokens: 50, stream_options: { include_usage: true } });
const sendEvent = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const content = sendEvent({ choices: [{ index: 0, delta: { content: "one two" } }] });
const usage = sendEvent({ choices: [], usage: { prompt_tokens: 8, completion_tokens: 3, total_tokens: 11 } });
const done = "data: [DONE]\n\n";

const answerAll: Model = (_req, res) => {
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write(content);
  res.end(usage + done);
};

/** A gateway whose records the test permits, and a count of what the model's server received. */
async function startRecordedGateway(model: Model = answerAll) {
  const reserved: ModelRequest[] = [];
  const outcomes: RequestOutcome[] = [];
  const reservation = Promise.withResolvers<void>();
  const settlement = Promise.withResolvers<void>();
  const asked = { count: 0 };
  const gateway = await startGateway(
    scratch,
    (req, res) => {
      asked.count++;
      return model(req, res);
    },
    {
      api: "openai",
      reserveRequest: async (_context, request) => {
        reserved.push(request);
        await reservation.promise;
        return {
          // As in the ledger, only the first outcome counts.
          settle: async (outcome) => {
            if (outcomes.length === 0) outcomes.push(outcome);
            await settlement.promise;
          },
        };
      },
    },
  );
  const url = `${gateway.url}/models/main/v1`;
  return { ...gateway, url, reserved, outcomes, reservation, settlement, asked };
}

describe("a request to a model", () => {
  test("is forwarded when it is recorded, and its answer ends when that is recorded", async () => {
    const { url, upstream, reserved, outcomes, reservation, settlement, asked } = await startRecordedGateway();
    const sending = send(`${url}/chat/completions`, { headers, body });
    await waitUntil(() => reserved.length === 1);
    expect(reserved).toEqual([
      {
        requestId: "id-1",
        kind: "answer",
        route: "main",
        api: "openai",
        model: "m",
        bodyBytes: body.length,
        maxOutputTokens: 50,
      },
    ]);
    expect(asked.count).toBe(0);
    reservation.resolve();
    const res = await sending;
    let seen = "";
    res.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    await waitUntil(() => outcomes.length === 1 && seen === content + usage);
    expect(outcomes).toMatchObject([
      { status: 200, upstream: upstream.url, usage: { input_tokens: 8, output_tokens: 3, exact: true } },
    ]);
    settlement.resolve();
    await once(res, "end");
    expect(seen).toBe(content + usage + done);
  });

  test("is refused in the provider's form if it cannot be recorded", async () => {
    const { url, reserved, reservation, asked } = await startRecordedGateway();
    const sending = send(`${url}/chat/completions`, { headers, body });
    await waitUntil(() => reserved.length === 1);
    reservation.reject(new WharfError("ledger_unavailable", {}));
    const res = await sending;
    const error = { message: expect.stringContaining("could not record it"), type: "api_error" };
    expect([res.statusCode, JSON.parse(await text(res)), asked.count]).toMatchObject([503, { error }, 0]);
  });

  test("that a budget refuses is not forwarded, and its error says how to raise the budget", async () => {
    const { url, reserved, reservation, asked } = await startRecordedGateway();
    const sending = send(`${url}/chat/completions`, { headers, body });
    await waitUntil(() => reserved.length === 1);
    const target_id = "b0f6b1ab-0e4c-4d7e-9f0d-6a4a5f1c2d3e";
    const budget = { budget_id: target_id, scope: "task", target_id, period: "day", action: "pause" } as const;
    const amounts = { amount_usd: 5, needed_usd: 0.25, spent_usd: 4.75, reserved_usd: 0.5 };
    reservation.reject(new WharfError("budget_exhausted", { ...budget, ...amounts }));
    const res = await sending;
    const { error } = JSON.parse(await text(res)) as { error: { message: string; type: string } };
    expect([res.statusCode, res.headers["x-should-retry"], asked.count]).toEqual([402, "false", 0]);
    expect(error).toMatchObject({ type: "insufficient_quota", code: "insufficient_quota" });
    expect(error.message).toContain("up to $0.25, for which the budget of $5 a day for this task has no room");
    expect(error.message).toContain(`wharf budget set --task ${target_id} --period day <amount>`);
  });

  test("that comes too soon is refused with the time to wait", async () => {
    const { url, reserved, reservation, asked } = await startRecordedGateway();
    const sending = send(`${url}/chat/completions`, { headers, body });
    await waitUntil(() => reserved.length === 1);
    reservation.reject(new WharfError("run_rate_limited", { what: "tokens", limit: 1_000, retry_after_s: 7 }));
    const res = await sending;
    expect([res.statusCode, res.headers["retry-after"], asked.count]).toEqual([429, "7", 0]);
    expect(res.headers).not.toHaveProperty("x-should-retry");
    const error = { type: "rate_limit_error", message: expect.stringContaining("1000 tokens of models in a minute") };
    expect(JSON.parse(await text(res))).toMatchObject({ error });
  });

  test("whose answer could not be recorded has no end", async () => {
    const { url, outcomes, reservation, settlement } = await startRecordedGateway();
    reservation.resolve();
    const res = await send(`${url}/chat/completions`, { headers, body });
    await waitUntil(() => outcomes.length === 1);
    settlement.reject(new Error("no database"));
    await expect(text(res)).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("that the runner ends counts with what was sent until then", async () => {
    const { url, outcomes, reservation } = await startRecordedGateway((_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(content);
    });
    reservation.resolve();
    const res = await send(`${url}/chat/completions`, { headers, body });
    await once(res, "data");
    res.destroy();
    await waitUntil(() => outcomes.length > 0);
    expect(outcomes).toMatchObject([{ status: 200, usage: { exact: false } }]);
    expect(outcomes[0]!.usage!.output_tokens).toBeGreaterThan(0);
  });

  test("that the runner ends before it is recorded is not forwarded, and costs nothing", async () => {
    const { url, reserved, outcomes, reservation, asked, seen } = await startRecordedGateway();
    const leaving = new AbortController();
    const request = { method: "POST", headers, body, signal: leaving.signal };
    const sending = fetch(`${url}/chat/completions`, request).catch(() => undefined);
    await waitUntil(() => reserved.length === 1);
    leaving.abort();
    await sending;
    await waitUntil(() => seen.used.length === 1);
    reservation.resolve();
    await waitUntil(() => outcomes.length === 1);
    expect(outcomes).toMatchObject([{ status: 0, usage: undefined }]);
    expect(asked.count).toBe(0);
  });

  test("costs nothing if the model's server refuses it", async () => {
    const { url, outcomes, reservation, settlement } = await startRecordedGateway((_req, res) => {
      res.writeHead(429, { "content-type": "application/json" }).end('{"error":{"message":"slow down"}}');
    });
    reservation.resolve();
    settlement.resolve();
    const res = await send(`${url}/chat/completions`, { headers, body });
    expect([res.statusCode, await text(res)]).toEqual([429, '{"error":{"message":"slow down"}}']);
    expect(outcomes).toMatchObject([{ status: 429, usage: undefined }]);
  });

  test("is not recorded if it only lists models", async () => {
    const { url, reserved } = await startRecordedGateway((_req, res) => void res.end("{}"));
    expect(await text(await send(`${url}/models`, { headers, method: "GET", body: "" }))).toBe("{}");
    expect(reserved).toEqual([]);
  });
});
