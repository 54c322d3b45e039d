import type { Workspace } from "@wharf/client";
import { wharf } from "../api/index.ts";

/** Where the files and terminals of a view are: with a task's current runner, or a runner. */
export interface WorkspacePlace {
  /** The id of the task or the runner. */
  readonly id: string;
  /** The path of its routes. */
  readonly path: string;
  readonly api: Workspace;
  /** Starts the runner, if it is stopped. */
  readonly start: () => Promise<unknown>;
}

export function createTaskPlace(taskId: string): WorkspacePlace {
  const api = wharf.taskWorkspace(taskId);
  const path = `/api/v1/tasks/${encodeURIComponent(taskId)}/workspace`;
  return { id: taskId, path, api, start: () => api.workspaceHealth() };
}

/** A runner with a run starts for any request; a person starts the others. */
export function createRunnerPlace({ id, run_id }: { readonly id: string; readonly run_id?: string }): WorkspacePlace {
  const api = wharf.runnerWorkspace(id);
  const path = `/api/v1/runners/${encodeURIComponent(id)}/workspace`;
  const start = () => (run_id === undefined ? wharf.runners.startRunner(id, { wait: true }) : api.workspaceHealth());
  return { id, path, api, start };
}
