import type { Task } from "@wharf/contract";
import type { ServerHarness } from "../../../support/server-harness.ts";
import { WorkspaceRequests } from "../../../support/workspace-requests.ts";

/** A task whose first turn has ended, and the requests to its workspace. */
export interface TaskWorkspace {
  readonly wharf: ServerHarness;
  readonly task: Task;
  /** The folder of the task's repository. */
  readonly remote: string;
  readonly requests: WorkspaceRequests;
}

/** Starts a task whose agent writes `made.txt`. */
export async function openTaskWorkspace(wharf: ServerHarness, remote: string): Promise<TaskWorkspace> {
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.turn(task, "demo: write made.txt by the agent");
  return { wharf, task, remote, requests: new WorkspaceRequests(wharf, `/api/v1/tasks/${task.id}/workspace`) };
}
