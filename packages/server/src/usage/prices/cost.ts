import type { TokenUsage } from "../token-usage.ts";
import type { PriceEntry } from "./price-list.ts";

const microUsdPerUsd = 1_000_000;
const tokensPerPrice = 1_000_000n;

/**
 * Returns what a request costs, in micro-USD, rounded up. A request with a long input costs other
 * prices for all of its tokens.
 */
export function getCost(price: PriceEntry, usage: TokenUsage): number {
  const inputTokens = usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens;
  const longPrice = price.long_context;
  const rates = longPrice && inputTokens > longPrice.above_input_tokens ? longPrice : price;
  const cacheWrite = rates.cache_write ?? rates.input;
  const amounts: readonly (readonly [number, number])[] = [
    [usage.input_tokens, rates.input],
    [usage.cached_tokens, rates.cached ?? rates.input],
    [Math.max(0, usage.cache_write_tokens - usage.long_cache_write_tokens), cacheWrite],
    [Math.min(usage.long_cache_write_tokens, usage.cache_write_tokens), rates.long_cache_write ?? cacheWrite],
    [usage.output_tokens, rates.output],
  ];
  // Whole numbers of any size: the products exceed what a number holds exactly.
  const sum = amounts.reduce((total, [tokens, rate]) => total + BigInt(tokens) * toMicroUsd(rate), 0n);
  return Number((sum + tokensPerPrice - 1n) / tokensPerPrice);
}

const toMicroUsd = (usd: number): bigint => BigInt(Math.round(usd * microUsdPerUsd));
