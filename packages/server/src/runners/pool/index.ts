/** Warm runners: made ahead, so that whoever needs one has it at once. */
export { WarmPool } from "./pool.ts";
export type { WarmRunner } from "./pool-rows.ts";
export type { RunnerKind } from "./targets.ts";
