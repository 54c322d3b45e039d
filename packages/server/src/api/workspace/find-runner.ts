import { WharfError } from "@wharf/contract";
import { createScope, type LoginManagement, type Scope } from "../../access/index.ts";
import type { RunnerWithRun } from "../../runners/index.ts";
import type { RunCommands, RunQueries } from "../../runs/index.ts";
import type { Tasks } from "../../tasks/index.ts";
import { getReadyRunner, type RunnerModules } from "../routes/runner-routes.ts";

export interface WorkspaceModules extends RunnerModules {
  readonly tasks: Pick<Tasks, "find">;
  readonly queries: Pick<RunQueries, "getLatestRun" | "getRun" | "getTurnCommits">;
  readonly commands: Pick<RunCommands, "requestPush" | "startRunner">;
  readonly loginManagement: Pick<LoginManagement, "getName">;
  /** Returns the author of a person's commits. */
  readonly getAuthor: (userId: string) => Promise<{ readonly author_name: string; readonly author_email: string }>;
}

/** Finds the runner of a workspace, and waits until it is ready. */
export type FindRunner = (scope: Scope, params: unknown) => Promise<RunnerWithRun>;

/** Statuses of a run whose runner is running, or starts for a request. */
export const reachableStatuses: ReadonlySet<string> = new Set(["STARTING", "RUNNING", "PAUSED"]);

/** Finds the runner of a task's current run; a runner that is stopped between turns starts. */
export async function findTaskRunner(modules: WorkspaceModules, scope: Scope, id: string): Promise<RunnerWithRun> {
  const runner = await findRunnerOfTask(modules, scope, id);
  return findRunner(modules, scope, runner.id);
}

/** Finds the runner of a task's current run, in whatever state it is. */
export async function findRunnerOfTask(
  { tasks, queries, standaloneRunners }: Pick<WorkspaceModules, "tasks" | "queries" | "standaloneRunners">,
  scope: Scope,
  id: string,
): Promise<RunnerWithRun> {
  const { id: taskId } = await tasks.find(scope, id);
  const run = await queries.getLatestRun(taskId);
  if (!run?.runner_id) throw new WharfError("workspace_missing", { task_id: taskId });
  const runner = await standaloneRunners.get(scope, run.runner_id);
  if (runner.desired === "DESTROYED") throw new WharfError("workspace_removed", { task_id: taskId });
  if (!reachableStatuses.has(run.status)) throw new WharfError("workspace_closed", { task_id: taskId });
  return runner;
}

/** Finds a runner. One that is stopped between turns starts for those who may use it. */
export async function findRunner(modules: WorkspaceModules, scope: Scope, id: string): Promise<RunnerWithRun> {
  const { standaloneRunners } = modules;
  const { desired } = await standaloneRunners.get(scope, id);
  if (desired === "STOPPED") await standaloneRunners.get(createScope(scope, "workspace:exec"), id);
  return getReadyRunner(modules, scope, id);
}
