import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Scratch, somebody, waitUntil } from "../testing.ts";
import { recordedAnswers } from "./metering/fixtures.ts";
import { call, createBody, key, type Model, send, type Setting, startGateway } from "./testing.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());
const startModelGateway = (model: Model, setting?: Setting) => startGateway(scratch, model, setting);
const headers = { "x-goog-api-key": somebody.token };

describe("the gateway", () => {
  test("reports the call and the tokens of each answer, compressed or not", async () => {
    const { answer, usage } = recordedAnswers["Anthropic as events"]!;
    const { url, seen } = await startModelGateway(
      (req, res) => {
        if (req.headers["x-compress"] === undefined) return void res.end(answer);
        res.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(answer));
      },
      { api: "anthropic" },
    );
    const body = JSON.stringify({ model: "claude-sonnet-4-5", max_tokens: 100, stream: true });
    for (const compress of [{}, { "x-compress": "1" }])
      expect(await text(await send(`${url}/models/main/v1/messages`, { body, headers: compress }))).toBe(answer);
    await waitUntil(() => seen.used.length === 2);
    const modelCall = { kind: "answer", model: "claude-sonnet-4-5", max_output_tokens: 100, streams: true };
    for (const used of seen.used) expect(used).toMatchObject({ call: modelCall, tokens: usage });
  });

  test("meters what the model's server sent, also where the answer repeats the key", async () => {
    const answer = JSON.stringify({
      candidates: [{ content: { parts: [{ text: key }] }, finishReason: "STOP" }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 },
    });
    const { url, seen } = await startModelGateway((_req, res) => void res.end(answer));
    expect(await text(await send(`${url}/models/main/${call}`))).not.toContain(key);
    await waitUntil(() => seen.used.length === 1);
    expect(seen.used[0]?.tokens).toMatchObject({ input_tokens: 3, output_tokens: 2, exact: true });
  });

  test("reports no tokens for what costs nothing: errors, counts and lists", async () => {
    const answer = JSON.stringify({ usageMetadata: { promptTokenCount: 3 }, totalTokens: 3 });
    const { url, seen } = await startModelGateway((req, res) => {
      res.writeHead(req.url?.includes(":generateContent") ? 500 : 200).end(answer);
    });
    await text(await send(`${url}/models/main/${call}`));
    await text(await send(`${url}/models/main/v1beta/models/m:countTokens`));
    await text(await send(`${url}/models/main/v1beta/models`, { method: "GET", body: "" }));
    await waitUntil(() => seen.used.length === 3);
    expect(seen.used.map(({ call, tokens }) => [call?.kind, tokens])).toEqual([
      ["answer", undefined],
      ["count", undefined],
      ["list", undefined],
    ]);
  });

  test("estimates what a runner used that leaves before the end", async () => {
    const chunk = JSON.stringify({ candidates: [{ content: { parts: [{ text: "x".repeat(400) }] } }] });
    const asked: string[] = [];
    const { url, seen } = await startModelGateway((req, res) => {
      asked.push(req.url ?? "");
      if (req.url?.includes("during")) res.write(`data: ${chunk}\n\n`);
    });
    for (const model of ["before", "during"]) {
      const path = `/v1/models/${model}:streamGenerateContent`;
      const req = request(`${url}/models/main${path}`, { method: "POST", headers, agent: false });
      req.on("error", () => undefined).end(createBody(4_000));
      if (model === "during") {
        const [res] = (await once(req, "response")) as [IncomingMessage];
        await once(res, "data");
      } else await waitUntil(() => asked.includes(path));
      req.destroy();
      await waitUntil(() => seen.used.some((used) => used.call?.model === model));
    }
    expect(seen.used.map(({ tokens }) => tokens)).toMatchObject([
      { input_tokens: 1_000, output_tokens: 0, exact: false },
      { input_tokens: 1_000, output_tokens: 100, exact: false },
    ]);
  });

  test("asks no model before it has read the whole request, and none if it cannot read it", async () => {
    let asked = 0;
    const { url, seen } = await startModelGateway(
      async (req, res) => {
        asked++;
        res.end(await text(req));
      },
      { api: "openai", limits: { modelTimes: { body: 300, wholeBody: 900 } } },
    );
    const path = `${url}/models/main/v1/chat/completions`;
    for (const [body, extra, expected] of [
      ['{"model":"a","model":"b"}', {}, [400, "model_request_invalid"]],
      [gzipSync('{"model":"a"}'), { "content-encoding": "gzip" }, [415, "model_request_encoded"]],
      ['{"model":"a"}', { "content-type": "application/json; charset=utf-7" }, [415, "model_request_encoded"]],
    ] as const) {
      const answer = await send(path, { body, headers: extra });
      const problem = JSON.parse(await text(answer)) as { code: string; error: { type: string } };
      expect([answer.statusCode, problem.code]).toEqual(expected);
      expect(problem.error.type).toBe("invalid_request_error");
      expect(answer.headers["x-should-retry"]).toBe("false");
    }
    const req = request(path, { method: "POST", headers, agent: false });
    req.write('{"model":');
    const [silent] = (await once(req, "response")) as [IncomingMessage];
    expect(silent.statusCode).toBe(400);
    req.end('"a"}');
    expect(await text(silent)).toContain("nothing of its body arrived for 0.3 s");
    const slow = request(path, { method: "POST", headers, agent: false });
    const dripping = setInterval(() => slow.write(" "), 50);
    const [late] = (await once(slow, "response")) as [IncomingMessage];
    clearInterval(dripping);
    slow.end();
    expect(await text(late)).toContain("its body was not complete after 0.9 s");
    expect(asked).toBe(0);
    await waitUntil(() => seen.used.length === 5);
    expect(seen.used.map((used) => [used.call, used.tokens])).toEqual(Array(5).fill([undefined, undefined]));

    const body = '{"model":"a",\n "messages":["ünï \\u00e9"]}';
    expect(await text(await send(path, { body }))).toBe(body);
  });
});
