import { WharfError } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import type { ModelRequest, RequestOutcome } from "../ledger/model-request.ts";
import { RateLimits } from "./rate-limits.ts";

/** May use 100 tokens: 50 of input, 50 of output. */
const request: ModelRequest = {
  requestId: "r",
  kind: "answer",
  route: "main",
  api: "openai",
  model: "m",
  bodyBytes: 150,
  maxOutputTokens: 50,
};
const createOutcome = (tokens: number): RequestOutcome => ({
  status: 200,
  durationMs: 1,
  usage: {
    input_tokens: tokens,
    cached_tokens: 0,
    cache_write_tokens: 0,
    long_cache_write_tokens: 0,
    output_tokens: 0,
    thinking_tokens: 0,
    exact: true,
  },
});

/** Limits on a clock that the test sets, in front of a ledger that records every request. */
function createLimits(options: { requestsPerMinute?: number; tokensPerMinute?: number }) {
  const clock = { now: 1_000 };
  const settled: RequestOutcome[] = [];
  const ledger = {
    error: undefined as Error | undefined,
    reserve: async () => {
      if (ledger.error) throw ledger.error;
      return { settle: async (outcome: RequestOutcome) => void settled.push(outcome) };
    },
  };
  const limits = new RateLimits({ ...options, ledger, now: () => clock.now });
  const ask = (run_id = "one", change: Partial<ModelRequest> = {}) =>
    limits.reserve({ run_id, runner_id: run_id }, { ...request, ...change });
  /** Returns the seconds that a request has to wait. */
  const getWait = async (run_id?: string, change?: Partial<ModelRequest>): Promise<number> => {
    try {
      await ask(run_id, change);
      return 0;
    } catch (error) {
      if (error instanceof WharfError && "retry_after_s" in error.context) return Number(error.context.retry_after_s);
      throw error;
    }
  };
  return { clock, ledger, settled, ask, getWait };
}

describe("a run", () => {
  test("may send so many requests in a minute, which do not limit another run", async () => {
    const { clock, getWait } = createLimits({ requestsPerMinute: 3 });
    for (let i = 0; i < 3; i++) expect(await getWait()).toBe(0);
    expect(await getWait()).toBe(20);
    expect(await getWait("two")).toBe(0);
    clock.now += 19_000;
    expect(await getWait()).toBe(1);
    clock.now += 1_000;
    expect(await getWait()).toBe(0);
    expect(await getWait()).toBe(20);
    clock.now += 600_000;
    for (let i = 0; i < 3; i++) expect(await getWait()).toBe(0);
    expect(await getWait()).toBe(20);
  });

  test("may use so many tokens in a minute: the estimate while a request is open, then the real ones", async () => {
    const { clock, ask, getWait, settled } = createLimits({ tokensPerMinute: 250 });
    const [first, second] = [await ask(), await ask()];
    expect(await getWait()).toBe(12);
    for (let i = 0; i < 2; i++) await first.settle(createOutcome(10));
    expect(settled).toHaveLength(2);
    expect(await getWait()).toBe(0);
    await second.settle(createOutcome(600));
    // 710 tokens are used, 460 more than allowed; the next 100 need room too.
    expect(await getWait()).toBe(135);
    clock.now += 135_000;
    expect(await getWait()).toBe(0);
  });

  test("gets back the tokens of a request that is not forwarded or not answered", async () => {
    const { ask, getWait, ledger } = createLimits({ tokensPerMinute: 100 });
    ledger.error = new Error("no database");
    await expect(ask()).rejects.toThrow("no database");
    ledger.error = undefined;
    const open = await ask();
    expect(await getWait()).toBe(60);
    await open.settle({ status: 503, durationMs: 1, usage: undefined });
    expect(await getWait()).toBe(0);
  });

  test("may send a request that is larger than the limit after a minute of rest", async () => {
    const { clock, getWait } = createLimits({ tokensPerMinute: 80 });
    const huge = { maxOutputTokens: 1e300, bodyBytes: 1e9 };
    expect(await getWait("one", huge)).toBe(0);
    expect(await getWait("one", huge)).toBe(60);
    clock.now += 60_000;
    expect(await getWait("one", huge)).toBe(0);
  });

  test("is not blocked by counts that are no numbers", async () => {
    const { clock, ask, getWait } = createLimits({ tokensPerMinute: 100 });
    for (const tokens of [Number.NaN, -1e9]) {
      await (await ask()).settle(createOutcome(tokens));
      expect(await getWait()).toBe(0);
      expect(await getWait()).toBe(60);
      clock.now += 60_000;
    }
  });
});

test("without limits, every request passes", async () => {
  const { getWait } = createLimits({});
  for (let i = 0; i < 100; i++) expect(await getWait()).toBe(0);
});
