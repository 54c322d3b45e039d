import { api, type WorkspaceInfo } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { RunnerWithRun } from "../../runners/index.ts";
import { registerRoute } from "../http/register-route.ts";
import { reachableStatuses, type WorkspaceModules } from "./find-runner.ts";

type InfoModules = Pick<WorkspaceModules, "tasks" | "queries" | "standaloneRunners">;

/** Serves the state of workspaces, also to those who may do nothing else with tasks and runners. */
export function serveWorkspaceInfo(app: FastifyInstance, { tasks, queries, standaloneRunners }: InfoModules): void {
  registerRoute(app, api.getTaskWorkspace, async ({ scope, params }): Promise<WorkspaceInfo> => {
    const { id } = await tasks.find(scope, params.task_id);
    const run = await queries.getLatestRun(id);
    if (!run?.runner_id) return { id, is_open: false };
    const runner = describeRunner(await standaloneRunners.get(scope, run.runner_id));
    return { id, ...runner, is_open: runner.is_open && reachableStatuses.has(run.status) };
  });
  registerRoute(app, api.getRunnerWorkspace, async ({ scope, params }): Promise<WorkspaceInfo> => {
    const runner = await standaloneRunners.get(scope, params.runner_id);
    return { id: runner.id, ...describeRunner(runner) };
  });
}

/** A runner that is to be destroyed has no files any more, whatever its state is. */
const describeRunner = ({ id, state, desired, backend }: RunnerWithRun) => ({
  runner_id: id,
  state: desired === "DESTROYED" ? ("DESTROYED" as const) : state,
  backend,
  is_open: desired !== "DESTROYED",
});
