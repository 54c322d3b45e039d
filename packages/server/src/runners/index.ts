/** Runners: their rows and leases, their keys, their workers, and the link to each. */
export { type Keys, createKeys } from "./keys.ts";
export { IsolationWatch } from "./connections/isolation-watch.ts";
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
export { type Link, openLink } from "./connections/link.ts";
export type { RunnerRedaction } from "./connections/redacted-client.ts";
export { openLeasedLink } from "./connections/open-leased-link.ts";
export {
  setJournalCursor,
  getPreviousRunnerId,
  createRunner,
  type RunnerRow,
  Runners,
  leaseExistingRunner,
} from "./runners.ts";
export { storePlace } from "./place.ts";
export type { RunnerWork } from "./workers/runner-worker.ts";
export { RunnerWorkers } from "./workers/runner-workers.ts";
export { StandaloneRunners } from "./standalone/standalone-runners.ts";
export { hasActiveRun, type RunnerWithRun } from "./standalone/standalone-rows.ts";
export { RunnerLinks, type RunnerUse } from "./connections/links.ts";
export { openStandaloneLink } from "./standalone/open-standalone-link.ts";
export { createStandaloneEnvironment } from "./standalone/standalone-context.ts";
export { type RunnerKind, WarmPool } from "./pool/index.ts";
export { maxProcesses } from "./sizes.ts";
export { RunnerMeter } from "./metering/runner-meter.ts";
export { Orphans } from "./workers/orphans.ts";
