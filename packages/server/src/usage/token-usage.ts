/**
 * The tokens of one request to a model, in the same form for all APIs. The four counts
 * `input_tokens`, `cached_tokens`, `cache_write_tokens` and `output_tokens` do not overlap.
 */
export interface TokenUsage {
  /** Input that was neither read from a cache nor written to one. */
  readonly input_tokens: number;
  /** Input that was read from a cache. */
  readonly cached_tokens: number;
  /** Input that was written to a cache. */
  readonly cache_write_tokens: number;
  /** The part of `cache_write_tokens` that the provider keeps for an hour, which costs more. */
  readonly long_cache_write_tokens: number;
  /** All output, including thinking. */
  readonly output_tokens: number;
  /** The part of `output_tokens` that the model used to think, if the provider reports it. */
  readonly thinking_tokens: number;
  /** Whether the provider reported the final counts. Otherwise the gateway has estimated some. */
  readonly exact: boolean;
  /** Why the provider's counts cannot be right. Such counts are never exact. */
  readonly implausible?: string;
}
