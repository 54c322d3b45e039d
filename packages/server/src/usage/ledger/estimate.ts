import type { TokenUsage } from "../token-usage.ts";
import type { ModelRequest } from "./model-request.ts";

/** Code and JSON have more bytes in a token than this, so that the estimate is rarely too low. */
const bytesPerToken = 3;
/** What a request that limits its answer's length in no way is expected to use at most. */
const defaultOutputTokens = 8_192;

/** Returns the tokens that a request may use, as far as it shows before it is forwarded. */
export function estimateUsage({ kind, bodyBytes, maxOutputTokens }: ModelRequest): TokenUsage {
  return {
    input_tokens: Math.ceil(bodyBytes / bytesPerToken),
    cached_tokens: 0,
    cache_write_tokens: 0,
    long_cache_write_tokens: 0,
    output_tokens: kind === "embedding" ? 0 : (maxOutputTokens ?? defaultOutputTokens),
    thinking_tokens: 0,
    exact: false,
  };
}
