/** Runners: their rows and leases, the keys they are known by, their workers, and the wire to each. */
export { type Keys, keysFrom } from "./keys.ts";
export { IsolationWatch } from "./isolation-watch.ts";
export {
  callHolders,
  fenceLease,
  type Lease,
  LeaseKeeper,
  LeaseLost,
  ownsRunner,
  Tenure,
  toArray,
} from "./leases/index.ts";
export { type Link, openLink } from "./link.ts";
export { openLeasedLink } from "./open-leased-link.ts";
export { beginJournal, findLeftRunner, insertRunner, type RunnerRow, Runners, wantRunner } from "./runners.ts";
export type { RunnerWork } from "./runner-worker.ts";
export { RunnerWorkers } from "./runner-workers.ts";
export { HandMadeRunners } from "./hand-made.ts";
export { isAtWork, type SeenRunner } from "./hand-made-rows.ts";
export { RunnerLinks, type RunnerUse } from "./links.ts";
export { openOwnLink } from "./open-own-link.ts";
export { standaloneEnvironment } from "./standalone-context.ts";
export { type RunnerKind, WarmPool } from "./pool/index.ts";
export { Orphans } from "./orphans.ts";
