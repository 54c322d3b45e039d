/** Runners: their rows, the keys they are known by, and the wire to each. */
export { type Keys, keysFrom } from "./keys.ts";
export { IsolationWatch } from "./isolation-watch.ts";
export { type Link, openLink } from "./link.ts";
export { runnerFor, Runners } from "./runners.ts";
export { HandMadeRunners } from "./hand-made.ts";
export { isAtWork, type SeenRunner } from "./hand-made-rows.ts";
export { RunnerLinks, type RunnerUse } from "./links.ts";
export { openOwnLink } from "./open-own-link.ts";
export { WarmPool } from "./pool/index.ts";
