/** Runs: the queue, the workers of a run's runner, turns, and the delivery of branches. */
export { type AgentChoice, RunCommands } from "./commands.ts";
export { defaultRunTimes, type RunDeps, type RunTimes } from "./deps.ts";
export { type LinksByRunner, TaskDiffs } from "./task-diffs.ts";
export { getRunnerWork, failRunnerWork } from "./runner-work.ts";
export { Pruning } from "./pruning.ts";
export { Removal } from "./removal.ts";
export { Scheduler } from "./scheduler.ts";
export { RunQueries } from "./queries.ts";
export { Wakeup } from "./wakeup.ts";
export { OldRunnerCleanup } from "./old-runners.ts";
export { Maintenance } from "./maintenance.ts";
