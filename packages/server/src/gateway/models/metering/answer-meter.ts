import type { TokenUsage } from "../../../usage/index.ts";
import type { ModelCall, ModelRoute } from "../../context.ts";
import { AnswerScanner } from "./answer-scanner.ts";
import { findImplausibility } from "./plausibility.ts";
import { ReportedValues } from "./reported-values.ts";
import type { UsageFormat } from "./usage-format.ts";
import { usageFormats } from "./usage-formats.ts";

/** Text of most languages, and code, has about this many bytes per token. */
const bytesPerToken = 4;
/** The largest input of any model. A larger request contains images, which need few tokens. */
const maxEstimatedInput = 1_048_576;

export interface MeteredRequest {
  readonly api: ModelRoute["api"];
  readonly call: ModelCall;
  readonly bytes: number;
}

/**
 * Counts the tokens of one request while its answer passes, with bounded memory. It reads only the
 * provider's own counts, at their places in the answer; text of the model that looks like them is
 * inside a string. Counts that are missing because the answer broke off are estimated.
 */
export class AnswerMeter {
  readonly #request: MeteredRequest;
  readonly #format: UsageFormat;
  readonly #values = new ReportedValues();
  readonly #scanner: AnswerScanner;
  #bytes = 0;

  constructor(request: MeteredRequest) {
    this.#request = request;
    this.#format = usageFormats[request.api];
    const values = this.#values;
    this.#scanner = new AnswerScanner(
      {
        shape: this.#format.shape,
        onValue: (path, value) => values.add(path, value),
        onRecord: () => values.commit(),
      },
      () => values.discard(),
    );
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#scanner.add(chunk);
  }

  /** Returns the tokens so far. `isEnded` is whether the provider has sent the whole answer. */
  getUsage(answer: { readonly isEnded: boolean }): TokenUsage {
    const { call, bytes } = this.#request;
    const counts = this.#format.getCounts(this.#values, answer);
    const hasAllCounts = counts.output !== undefined || call.kind === "embedding";
    const isExact = counts.isFinal && hasAllCounts && this.#values.problem === undefined;
    const inputTokens = counts.input ?? Math.min(Math.ceil(bytes / bytesPerToken), maxEstimatedInput);
    const cacheTokens = (counts.cached ?? 0) + (counts.cacheWrite ?? 0);
    const outputTokens = isExact ? counts.output : Math.max(counts.output ?? 0, this.#estimateOutput());
    const usage = {
      input_tokens: Math.max(0, inputTokens - cacheTokens),
      cached_tokens: counts.cached ?? 0,
      cache_write_tokens: counts.cacheWrite ?? 0,
      long_cache_write_tokens: counts.longCacheWrite ?? 0,
      output_tokens: call.kind === "embedding" ? 0 : (outputTokens ?? 0),
      thinking_tokens: counts.thinking ?? 0,
    };
    const traffic = { call, inputTokens, requestBytes: bytes, answerBytes: this.#bytes };
    const implausible = this.#values.problem ?? findImplausibility(usage, traffic);
    if (implausible !== undefined) return { ...usage, exact: false, implausible };
    return { ...usage, exact: isExact };
  }

  #estimateOutput(): number {
    const limit = this.#request.call.max_output_tokens ?? Number.MAX_SAFE_INTEGER;
    return Math.min(Math.ceil(this.#scanner.textBytes / bytesPerToken), limit);
  }
}
