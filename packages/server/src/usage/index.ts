/** What requests to models use. */
export type { TokenUsage } from "./token-usage.ts";
