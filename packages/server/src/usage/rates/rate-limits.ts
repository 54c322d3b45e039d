import { WharfError } from "@wharf/contract";
import { estimateUsage } from "../ledger/estimate.ts";
import type { ModelRequest, RequestOutcome, Reservation, UsageSource } from "../ledger/model-request.ts";
import type { TokenUsage } from "../token-usage.ts";
import { MinuteBucket } from "./minute-bucket.ts";

export interface RateLimitsOptions {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  /** Records the requests that the limits let pass. */
  readonly ledger: { reserve(source: UsageSource, request: ModelRequest): Promise<Reservation> };
  /** Returns milliseconds that never go back. */
  readonly now?: () => number;
}

interface RunRates {
  readonly requests: MinuteBucket;
  readonly tokens: MinuteBucket;
}

const cleaningIntervalMs = 60_000;
/** Stands for no limit: more than any run can use in a minute. */
const maxRate = 1e12;

/**
 * Limits how many requests and tokens each run may use in a minute, in the memory of the server
 * that has the wire of the run. A request takes its estimated tokens at first, and those that it
 * used when it ends.
 */
export class RateLimits {
  readonly #options: RateLimitsOptions;
  readonly #runs = new Map<string, RunRates>();
  readonly #now: () => number;
  #cleanedAt = 0;

  constructor(options: RateLimitsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  async reserve(source: UsageSource, request: ModelRequest): Promise<Reservation> {
    const { ledger, requestsPerMinute, tokensPerMinute } = this.#options;
    if (requestsPerMinute === undefined && tokensPerMinute === undefined) return ledger.reserve(source, request);
    // A limit of output that no answer reaches must not use up the minutes to come.
    const estimated = Math.min(countTokens(estimateUsage(request)), tokensPerMinute ?? maxRate);
    const rates = this.#take(source.run_id, estimated);
    const giveBack = (tokens: number) => rates.tokens.take(-tokens, this.#now());
    try {
      const reservation = await ledger.reserve(source, request);
      let isCorrected = false;
      const settle = (outcome: RequestOutcome) => {
        if (!isCorrected) giveBack(estimated - (outcome.usage ? countTokens(outcome.usage) : 0));
        isCorrected = true;
        return reservation.settle(outcome);
      };
      return { settle };
    } catch (error) {
      giveBack(estimated);
      throw error;
    }
  }

  /** Takes a request from the buckets of its run; throws if it has to wait. */
  #take(runId: string, tokens: number): RunRates {
    const { requestsPerMinute = maxRate, tokensPerMinute = maxRate } = this.#options;
    const now = this.#now();
    this.#removeIdleRuns(now);
    const rates = this.#runs.get(runId) ?? {
      requests: new MinuteBucket(requestsPerMinute, now),
      tokens: new MinuteBucket(tokensPerMinute, now),
    };
    this.#runs.set(runId, rates);
    const requestWaitMs = rates.requests.getWaitMs(1, now);
    const tokenWaitMs = rates.tokens.getWaitMs(tokens, now);
    if (requestWaitMs > 0 || tokenWaitMs > 0)
      throw new WharfError("run_rate_limited", {
        ...(requestWaitMs > tokenWaitMs
          ? { what: "requests", limit: requestsPerMinute }
          : { what: "tokens", limit: tokensPerMinute }),
        retry_after_s: Math.ceil(Math.max(requestWaitMs, tokenWaitMs) / 1000),
      });
    rates.requests.take(1, now);
    rates.tokens.take(tokens, now);
    return rates;
  }

  #removeIdleRuns(now: number): void {
    if (now - this.#cleanedAt < cleaningIntervalMs) return;
    this.#cleanedAt = now;
    for (const [runId, { requests, tokens }] of this.#runs)
      if (requests.isFull(now) && tokens.isFull(now)) this.#runs.delete(runId);
  }
}

/** The counts come from outside. */
const countTokens = ({ input_tokens, cached_tokens, cache_write_tokens, output_tokens }: TokenUsage): number => {
  const tokens = input_tokens + cached_tokens + cache_write_tokens + output_tokens;
  return tokens > 0 ? Math.min(tokens, maxRate) : 0;
};
