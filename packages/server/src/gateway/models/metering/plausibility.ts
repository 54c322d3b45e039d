import type { TokenUsage } from "../../../usage/index.ts";
import type { ModelCall } from "../../context.ts";

/**
 * Input that a request can cause without containing it: files and images behind an address, the
 * results of the provider's own tools.
 */
const maxUnseenInput = 200_000;

export interface SeenTraffic {
  readonly call: ModelCall;
  /** All input that the provider reported, or the estimate. */
  readonly inputTokens: number;
  readonly requestBytes: number;
  readonly answerBytes: number;
}

/**
 * Returns why counts cannot be right, if so. A token of text has at least one byte, but thinking
 * and the content behind an address are not in the traffic.
 */
export function findImplausibility(
  usage: Omit<TokenUsage, "exact">,
  { call, inputTokens, requestBytes, answerBytes }: SeenTraffic,
): string | undefined {
  const cacheTokens = usage.cached_tokens + usage.cache_write_tokens;
  const visibleOutput = usage.output_tokens - usage.thinking_tokens;
  if (cacheTokens > inputTokens) return `${cacheTokens} tokens of a cache in ${inputTokens} of input`;
  if (usage.long_cache_write_tokens > usage.cache_write_tokens) return "more tokens in a cache for an hour than in all";
  if (visibleOutput < 0) return `${usage.thinking_tokens} tokens of thinking in ${usage.output_tokens} of output`;
  if (call.max_output_tokens !== undefined && usage.output_tokens > call.max_output_tokens)
    return `${usage.output_tokens} output tokens where ${call.max_output_tokens} were allowed`;
  if (visibleOutput > answerBytes) return `${visibleOutput} output tokens in ${answerBytes} bytes`;
  if (inputTokens > requestBytes + maxUnseenInput) return `${inputTokens} input tokens for ${requestBytes} bytes`;
  return undefined;
}
