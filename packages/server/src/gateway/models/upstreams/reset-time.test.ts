import fc from "fast-check";
import { expect, test } from "vitest";
import { getResetTime } from "./reset-time.ts";

const nowMs = Date.parse("2026-11-23T12:00:00Z");
const retryInfo = (retryDelay: unknown) => ({
  error: {
    code: 429,
    details: [{ "@type": "x" }, { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay }],
  },
});
const anthropic = (limit: string, remaining: string, reset: string) => ({
  [`anthropic-ratelimit-${limit}-remaining`]: remaining,
  [`anthropic-ratelimit-${limit}-reset`]: reset,
});

test.each([
  ["seconds to wait", { "retry-after": "20" }, undefined, 20_000],
  ["a date", { "retry-after": "Mon, 23 Nov 2026 12:01:00 GMT" }, undefined, 60_000],
  ["fractions of a second", { "retry-after": "0.25" }, undefined, 250],
  ["Anthropic's exhausted limit", anthropic("tokens", "0", "2026-11-23T12:05:00Z"), undefined, 300_000],
  [
    "the latest of Anthropic's exhausted limits",
    {
      ...anthropic("requests", "0", "2026-11-23T12:01:00Z"),
      ...anthropic("input-tokens", "0", "2026-11-23T12:02:00Z"),
      ...anthropic("output-tokens", "9", "2026-11-23T13:00:00Z"),
    },
    undefined,
    120_000,
  ],
  [
    "Anthropic's limit of a subscription",
    { "anthropic-ratelimit-unified-reset": `${nowMs / 1_000 + 3_600}` },
    undefined,
    3_600_000,
  ],
  [
    "OpenAI's exhausted limit",
    {
      "x-ratelimit-remaining-requests": "9",
      "x-ratelimit-reset-requests": "1h",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "6m0.5s",
    },
    undefined,
    360_500,
  ],
  ["Gemini's error", {}, JSON.stringify(retryInfo("34.074824224s")), 34_075],
  ["Gemini's list of one error", {}, JSON.stringify([retryInfo("2s")]), 2_000],
])("%s gives the time of the reset", (_name, headers, body, waitMs) => {
  expect(getResetTime({ headers, body }, nowMs)).toBe(nowMs + waitMs);
});

test.each([
  ["nothing", {}, undefined],
  ["a time that is over", { "retry-after": "Mon, 23 Nov 2026 11:00:00 GMT" }, undefined],
  ["no wait", { "retry-after": "0" }, undefined],
  ["a negative wait", { "retry-after": "-5" }, undefined],
  ["a wait of a century", { "retry-after": "3153600000" }, undefined],
  ["garbage", { "retry-after": "soon", "anthropic-ratelimit-unified-reset": "NaN" }, undefined],
  ["a limit that is not exhausted", anthropic("tokens", "5", "2026-11-23T12:05:00Z"), undefined],
  ["broken JSON with the word RetryInfo", {}, '{"RetryInfo'],
  ["a delay that is no duration", {}, JSON.stringify(retryInfo({ seconds: 3 }))],
  ["a delay in unknown units", {}, JSON.stringify(retryInfo("3 fortnights"))],
  ["a delay that the model wrote", {}, JSON.stringify({ text: JSON.stringify(retryInfo("3s")) })],
])("%s gives none", (_name, headers, body) => {
  expect(getResetTime({ headers, body }, nowMs)).toBeUndefined();
});

test("no header or body makes it throw, or gives a time in the past", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.json(), (header, delay, json) => {
      for (const body of [json, `${json} RetryInfo`, JSON.stringify(retryInfo(delay))]) {
        const headers = { "retry-after": header, "anthropic-ratelimit-unified-reset": header };
        const resetMs = getResetTime({ headers, body }, nowMs);
        expect(resetMs === undefined || resetMs > nowMs).toBe(true);
      }
    }),
  );
});
