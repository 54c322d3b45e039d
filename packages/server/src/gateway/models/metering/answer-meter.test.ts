import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ModelCall, ModelRoute } from "../../context.ts";
import { AnswerMeter } from "./answer-meter.ts";
import { recordedAnswers } from "./fixtures.ts";

const requestBytes = 20_000;

const createMeter = (api: ModelRoute["api"], call: Partial<ModelCall> = {}, bytes = requestBytes) =>
  new AnswerMeter({ api, bytes, call: { kind: "answer", streams: true, reports_usage: true, ...call } });

/** Meters an answer in one chunk. */
function meter(
  api: ModelRoute["api"],
  answer: string,
  { isEnded = true, call }: { isEnded?: boolean; call?: Partial<ModelCall> } = {},
) {
  const answerMeter = createMeter(api, call);
  answerMeter.add(Buffer.from(answer));
  return answerMeter.getUsage({ isEnded });
}

const none = {
  cached_tokens: 0,
  cache_write_tokens: 0,
  long_cache_write_tokens: 0,
  output_tokens: 0,
  thinking_tokens: 0,
};
const formatGemini = (counts: object, text = "") =>
  JSON.stringify({ candidates: [{ content: { parts: [{ text }] } }], usageMetadata: counts });
const formatChat = (counts: object) => JSON.stringify({ choices: [{ finish_reason: "stop" }], usage: counts });

describe("the tokens of an answer", () => {
  test.each(Object.entries(recordedAnswers))("of %s are counted, however it is cut", (_name, recorded) => {
    for (const lineEnd of ["\n", "\r\n", "\r"]) {
      const bytes = Buffer.from(recorded.answer.replaceAll("\n", lineEnd));
      fc.assert(
        fc.property(fc.array(fc.nat(200), { minLength: 1 }), (sizes) => {
          const answerMeter = createMeter(recorded.api, recorded.call);
          for (let offset = 0, index = 0; offset < bytes.length; index++) {
            const size = Math.max(1, sizes[index % sizes.length] ?? 1);
            answerMeter.add(bytes.subarray(offset, offset + size));
            offset += size;
          }
          expect(answerMeter.getUsage({ isEnded: true })).toEqual({ ...none, ...recorded.usage });
        }),
        { numRuns: 30 },
      );
    }
  });

  test.each(Object.entries(recordedAnswers))(
    "of %s are a plausible estimate after each byte, until they are exact",
    (_name, recorded) => {
      const bytes = Buffer.from(recorded.answer);
      for (let end = 0; end < bytes.length; end++) {
        const answerMeter = createMeter(recorded.api, recorded.call);
        answerMeter.add(bytes.subarray(0, end));
        const usage = answerMeter.getUsage({ isEnded: false });
        expect(usage.implausible).toBeUndefined();
        if (usage.exact) expect(usage).toEqual({ ...none, ...recorded.usage });
        expect(usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens).toBeLessThanOrEqual(requestBytes);
      }
    },
  );

  test("are estimated from the text until then if the runner leaves midway", () => {
    const chunks = 'data: {"choices":[{"delta":{"content":"eight by"}}]}\n\n'.repeat(100);
    expect(meter("openai", chunks, { isEnded: false })).toEqual({
      ...none,
      input_tokens: requestBytes / 4,
      output_tokens: 200,
      exact: false,
    });
    expect(meter("openai", chunks, { isEnded: false, call: { max_output_tokens: 150 } }).output_tokens).toBe(150);
    // The counts that were reported count, and the text after them is estimated.
    const start = 'data: {"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}\n\n';
    const delta = 'data: {"type":"content_block_delta","delta":{"text":"eight by"}}\n\n';
    expect(meter("anthropic", start + delta.repeat(100), { isEnded: false })).toMatchObject({
      input_tokens: 25,
      output_tokens: 200,
      exact: false,
    });
  });

  test("are not exact if a stream that promised counts ends without them", () => {
    expect(meter("openai", 'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n').exact).toBe(false);
    expect(meter("anthropic", 'data: {"message":{"usage":{"input_tokens":5,"output_tokens":1}}}\n\n').exact).toBe(
      false,
    );
    expect(meter("gemini", "").exact).toBe(false);
    expect(meter("gemini", "<html>usageMetadata</html>").exact).toBe(false);
  });

  test.each([
    ["negative", -1],
    ["a fraction", 1.5],
    ["text", "12"],
    ["an object", { tokens: 12 }],
    ["huge", 1e300],
  ])("that are %s are not believed", (_what, count) => {
    const answer = formatGemini({ promptTokenCount: 7, candidatesTokenCount: count }, "x".repeat(40));
    const usage = meter("gemini", answer);
    expect(usage).toMatchObject({ input_tokens: 7, exact: false, implausible: expect.stringContaining("not a count") });
    expect(usage.output_tokens).toBe(10);
    for (const value of Object.values(usage)) if (typeof value === "number") expect(value).toBeGreaterThanOrEqual(0);
  });

  test("beyond what a number can hold, or null, leave the others as they are", () => {
    expect(meter("gemini", '{"usageMetadata":{"promptTokenCount":1e999}}')).toMatchObject({ exact: false });
    expect(meter("gemini", '{"usageMetadata":{"promptTokenCount":NaN}}')).toMatchObject({ exact: false });
    const answer = formatGemini({ promptTokenCount: 7, candidatesTokenCount: 1, cachedContentTokenCount: null });
    expect(meter("gemini", answer)).toEqual({ ...none, input_tokens: 7, output_tokens: 1, exact: true });
  });

  test.each([
    ["more output than bytes", { prompt_tokens: 1, completion_tokens: 5_000 }, {}, "in .* bytes"],
    ["more output than allowed", { prompt_tokens: 1, completion_tokens: 30 }, { max_output_tokens: 20 }, "allowed"],
    ["far more input than the request", { prompt_tokens: 900_000, completion_tokens: 1 }, {}, "900000 input"],
    [
      "more cached than input",
      { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 11 } },
      {},
      "of a cache",
    ],
    [
      "more thinking than output",
      { prompt_tokens: 10, completion_tokens: 1, completion_tokens_details: { reasoning_tokens: 5 } },
      {},
      "of thinking",
    ],
  ])("with %s are reported as implausible", (_what, counts, call, reason) => {
    const usage = meter("openai", formatChat(counts), { call });
    expect(usage).toMatchObject({ exact: false, implausible: expect.stringMatching(reason) });
  });

  test("are found behind a line of 100 MB, without keeping it", () => {
    const answerMeter = createMeter("gemini");
    const filler = Buffer.alloc(1024 * 1024, "x");
    const before = process.memoryUsage();
    answerMeter.add(Buffer.from('data: {"candidates":[{"content":{"parts":[{"text":"'));
    for (let n = 0; n < 100; n++) answerMeter.add(filler);
    expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(20 * 1024 * 1024);
    const counts = { promptTokenCount: 9, candidatesTokenCount: 26_000_000 };
    answerMeter.add(Buffer.from(`"}]},"finishReason":"STOP"}],"usageMetadata":${JSON.stringify(counts)}}\n\n`));
    expect(answerMeter.getUsage({ isEnded: false })).toEqual({
      ...none,
      input_tokens: 9,
      output_tokens: 26_000_000,
      exact: true,
    });
  });

  test("are counted in bounded memory while a stream never ends, whatever it contains", () => {
    for (const piece of ["[", '{"usageMetadata":', "data: [", '"', "\\", "\n", "data:", "1", '{"a":1},']) {
      const answerMeter = createMeter("gemini");
      const chunk = Buffer.from(piece.repeat(Math.ceil(100_000 / piece.length)));
      for (let n = 0; n < 20; n++) answerMeter.add(chunk);
      expect(answerMeter.getUsage({ isEnded: false }).exact).toBe(false);
    }
  });
});
