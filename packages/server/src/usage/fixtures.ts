/** Fixtures for tests of what models cost. */
import type { ModelRequest } from "./ledger/model-request.ts";
import { PriceTable } from "./prices/price-table.ts";

/** One dollar for a million tokens of input, two for output: micro-USD are easy to add up. */
export const prices = new PriceTable({
  versions: [{ from: "2020-01-01", prices: [{ models: ["m"], input: 1, cached: 0, cache_write: 0, output: 2 }] }],
});

/** May cost 2,100 micro-USD: 100 tokens of input, 1,000 of output. */
export const request: ModelRequest = {
  requestId: "r",
  kind: "answer",
  route: "main",
  api: "anthropic",
  model: "m",
  bodyBytes: 300,
  maxOutputTokens: 1_000,
};
