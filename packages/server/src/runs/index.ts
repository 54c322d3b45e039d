/** Runs: the queue, the workers of a run's runner, turns, and the delivery of branches. */
export { type Choice, RunCommands } from "./commands.ts";
export { defaultRunTimes, type RunDeps, type RunTimes } from "./deps.ts";
export { type Links, TaskDiffs } from "./diffs.ts";
export { findWork, giveUpWork } from "./find-work.ts";
export { Pruning } from "./pruning.ts";
export { Removal } from "./removal.ts";
export { Scheduler } from "./scheduler.ts";
export { RunQueries } from "./queries.ts";
export { Wakeup } from "./wakeup.ts";
export { OldRunners } from "./old-runners.ts";
export { Maintenance } from "./maintenance.ts";
