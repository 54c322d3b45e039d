import { workspaceArchives } from "./archives.ts";
import { workspaceCommandLine } from "./command-line.ts";
import { workspaceEvents } from "./events.ts";
import { workspaceFiles } from "./files.ts";
import { workspaceGit } from "./git.ts";
import { workspacePrograms } from "./programs.ts";
import type { TaskWorkspace } from "./task-workspace.ts";

/**
 * Tests the workspace of a task through the server and the command line. Where the task's runner is
 * makes no difference.
 */
export function taskWorkspace(get: () => TaskWorkspace): void {
  const getRequests = () => get().requests;
  workspaceFiles(getRequests);
  workspaceArchives(getRequests);
  workspacePrograms(getRequests);
  workspaceEvents(getRequests);
  workspaceGit(get);
  workspaceCommandLine(get);
}
