import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { BackendName, RunnerState } from "../states.ts";
import { runnerParams, taskParams } from "./ids.ts";

/** Where a workspace is, without starting its runner. */
export const WorkspaceInfo = z.object({
  /** The id of the task or the runner. */
  id: z.uuid(),
  /** The runner with the files. A task has none before its first run. */
  runner_id: z.uuid().optional(),
  /** A request for the workspace starts a runner that is STOPPED. */
  state: RunnerState.optional(),
  backend: BackendName.optional(),
  /** Requests reach the runner. Otherwise the task's branch answers those that only read. */
  is_open: z.boolean(),
});
export type WorkspaceInfo = z.infer<typeof WorkspaceInfo>;

export const workspaceInfoApi = {
  getTaskWorkspace: createEndpoint({
    needs: "workspace:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id/workspace",
    summary: "Get the runner of a task's workspace and its state, without starting it",
    params: taskParams,
    response: WorkspaceInfo,
  }),
  getRunnerWorkspace: createEndpoint({
    needs: "workspace:read",
    method: "GET",
    path: "/api/v1/runners/:runner_id/workspace",
    summary: "Get the state of a runner's workspace, without starting the runner",
    params: runnerParams,
    response: WorkspaceInfo,
  }),
} as const;
