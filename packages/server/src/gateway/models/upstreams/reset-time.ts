import type { IncomingHttpHeaders } from "node:http";
import { z } from "zod";

/** A later time is no useful advice. */
const maxWaitMs = 31 * 24 * 3_600_000;
/** Epoch seconds; a smaller number is a time to wait. */
const minEpochSeconds = 1_000_000_000;

/** Limits of Anthropic's API: each has a header with what remains, and one with its reset. */
const anthropicLimits = ["requests", "tokens", "input-tokens", "output-tokens"];
const openaiLimits = ["requests", "tokens"];
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const RetryInfo = z.object({ "@type": z.string().endsWith("google.rpc.RetryInfo"), retryDelay: z.string() });
const GeminiError = z.object({ error: z.object({ details: z.array(z.unknown()) }) });
/** Some paths of Gemini's API return a list with one error. */
const GeminiErrors = z.union([GeminiError, z.tuple([GeminiError], z.unknown()).transform(([error]) => error)]);

interface LimitAnswer {
  readonly headers: IncomingHttpHeaders;
  /** The beginning of the answer. */
  readonly body?: string | undefined;
}

/**
 * Returns when a provider's limit resets, in ms since the epoch, as far as its answer says so:
 * `retry-after`, the reset of each exhausted limit (Anthropic, OpenAI), or Gemini's `RetryInfo`.
 */
export function getResetTime({ headers, body }: LimitAnswer, nowMs = Date.now()): number | undefined {
  const candidates = [
    parseRetryAfter(getHeader(headers, "retry-after"), nowMs),
    getExhaustedReset(headers, anthropicLimits, (limit) => `anthropic-ratelimit-${limit}`, nowMs),
    parseTime(getHeader(headers, "anthropic-ratelimit-unified-reset"), nowMs),
    getOpenaiReset(headers, nowMs),
    parseRetryInfo(body, nowMs),
  ];
  return candidates.find((resetMs) => resetMs !== undefined && resetMs > nowMs && resetMs <= nowMs + maxWaitMs);
}

function getHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value.trim() : undefined;
}

/** Seconds, or a date. */
function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text !== undefined && /^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return nowMs + Math.ceil(Number(text) * 1_000);
  return parseTime(text, nowMs);
}

/** A date, or seconds since the epoch. */
function parseTime(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined || text.length > 64) return undefined;
  if (!/^\d+$/.test(text)) return parseDate(text);
  const seconds = Number(text);
  return seconds >= minEpochSeconds ? seconds * 1_000 : nowMs + seconds * 1_000;
}

function parseDate(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The latest reset among the limits of which nothing remains. */
function getExhaustedReset(
  headers: IncomingHttpHeaders,
  limits: readonly string[],
  getPrefix: (limit: string) => string,
  nowMs: number,
): number | undefined {
  const resets = limits
    .filter((limit) => getHeader(headers, `${getPrefix(limit)}-remaining`) === "0")
    .flatMap((limit) => parseTime(getHeader(headers, `${getPrefix(limit)}-reset`), nowMs) ?? []);
  return resets.length > 0 ? Math.max(...resets) : undefined;
}

function getOpenaiReset(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const waits = openaiLimits
    .filter((limit) => getHeader(headers, `x-ratelimit-remaining-${limit}`) === "0")
    .flatMap((limit) => parseDuration(getHeader(headers, `x-ratelimit-reset-${limit}`)) ?? []);
  return waits.length > 0 ? nowMs + Math.max(...waits) : undefined;
}

function parseRetryInfo(body: string | undefined, nowMs: number): number | undefined {
  if (!body?.includes("RetryInfo")) return undefined;
  const details = GeminiErrors.safeParse(parseJson(body)).data?.error.details ?? [];
  const info = details.map((detail) => RetryInfo.safeParse(detail).data).find((one) => one !== undefined);
  const waitMs = parseDuration(info?.retryDelay);
  return waitMs === undefined ? undefined : nowMs + waitMs;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Parses durations such as `34.07s`, `6m0s` and `120ms`. */
function parseDuration(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd])){1,4}$/.test(text)) return undefined;
  const parts = [...text.matchAll(/([\d.]+)(ms|[smhd])/g)];
  return Math.ceil(parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (unitMs[unit] ?? 0), 0));
}
