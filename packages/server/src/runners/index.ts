/** Runners: their rows and leases, their keys, their workers, and the link to each. */
export { type Keys, createKeys } from "./keys.ts";
export { IsolationWatch } from "./isolation-watch.ts";
export {
  requestHolders,
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
export {
  setJournalCursor,
  getPreviousRunnerId,
  createRunner,
  type RunnerRow,
  Runners,
  leaseExistingRunner,
} from "./runners.ts";
export type { RunnerWork } from "./runner-worker.ts";
export { RunnerWorkers } from "./runner-workers.ts";
export { StandaloneRunners } from "./standalone-runners.ts";
export { hasActiveRun, type RunnerWithRun } from "./standalone-rows.ts";
export { RunnerLinks, type RunnerUse } from "./links.ts";
export { openStandaloneLink } from "./open-standalone-link.ts";
export { createStandaloneEnvironment } from "./standalone-context.ts";
export { type RunnerKind, WarmPool } from "./pool/index.ts";
export { Orphans } from "./orphans.ts";
