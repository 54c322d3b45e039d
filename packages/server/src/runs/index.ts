/** Runs: the queue, the scheduler and its drivers, turns, pushes, and the reconciler of runners. */
export { type Choice, RunCommands } from "./commands.ts";
export { defaultRunTimes, type RunDeps, type RunTimes } from "./deps.ts";
export { type Links, TaskDiffs } from "./diffs.ts";
export { Maintenance, maintenanceBell } from "./maintenance.ts";
export { Pruning } from "./pruning.ts";
export { Removal } from "./removal.ts";
export { Scheduler } from "./scheduler.ts";
export { RunQueries } from "./queries.ts";
export { Wakeup } from "./wakeup.ts";
