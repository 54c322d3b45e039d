/** What requests to models use, and the prices of models. */
export { PriceTable } from "./prices/price-table.ts";
export { readPriceFile } from "./prices/read-price-file.ts";
export type { TokenUsage } from "./token-usage.ts";
