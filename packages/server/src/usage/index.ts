/** What requests to models use, and what that costs. */
export { getCost } from "./prices/cost.ts";
export { PriceTable } from "./prices/price-table.ts";
export { readPriceFile } from "./prices/read-price-file.ts";
export type { TokenUsage } from "./token-usage.ts";
