/** Runs: the queue, the work of a run's runner, turns, and the delivery of branches. */
export { defaultRunTimes, type LinksByRunner, type RunDeps, type RunTimes } from "./shared/deps.ts";
export { failRunnerWork, getRunnerWork } from "./work/find-work.ts";
export { Scheduler } from "./scheduler/scheduler.ts";
export { type AgentChoice, RunCommands } from "./commands/run-commands.ts";
export { Queue } from "./queue/queue.ts";
export { RunQueries } from "./commands/run-queries.ts";
export { getAuthor } from "./work/start/authorship.ts";
export { TaskDiffs } from "./commands/task-diffs.ts";
export { findAllowedSecrets } from "./state/allowed-secrets.ts";
export { BudgetGuard } from "./gateway-events/budget-guard.ts";
export { createGatewayHooks } from "./gateway-events/gateway-hooks.ts";
export { ModelHealth } from "./gateway-events/model-health.ts";
export { BudgetWaits } from "./maintenance/budget-waits.ts";
export { LimitWaits } from "./maintenance/limit-waits.ts";
export { Maintenance } from "./maintenance/maintenance.ts";
export { OldRunnerCleanup } from "./maintenance/old-runners.ts";
export { Pruning } from "./maintenance/pruning.ts";
export { Removal } from "./maintenance/removal.ts";
