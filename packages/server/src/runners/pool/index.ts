/** Warm runners: created ahead of need, so that a run or a person gets one at once. */
export { WarmPool } from "./pool.ts";
export type { WarmRunner } from "./pool-rows.ts";
export type { RunnerKind } from "./targets.ts";
