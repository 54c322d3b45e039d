/** Warm runners: made ahead, so that whoever needs one has it at once. */
export { WarmPool } from "./pool.ts";
