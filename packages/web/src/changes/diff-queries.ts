import { queryOptions } from "@tanstack/react-query";
import { isWharfError, type Task } from "@wharf/client";
import { wharf } from "../api/index.ts";

export interface ChangedFile {
  readonly path: string;
  readonly additions: number;
  readonly deletions: number;
}

export interface Changes {
  readonly base: string;
  readonly head: string;
  readonly files: readonly ChangedFile[];
  readonly patch: string;
  readonly truncated: boolean;
}

interface DiffChoice {
  readonly turn: number | undefined;
  readonly path?: string;
}

const nothing: Changes = { base: "", head: "", files: [], patch: "", truncated: false };

/** The cached changes of a task. */
export const diffQueries = {
  files: ({ id: taskId, base_commit_sha: base }: Task, turn: number | undefined) =>
    queryOptions({
      queryKey: ["changes", taskId, turn ?? "all", "files", base],
      // Before its first run a task has no base, and so no changes.
      queryFn: ({ signal }) => (base === undefined ? nothing : readChanges(taskId, { turn }, signal)),
    }),
  patch: (taskId: string, turn: number | undefined, path: string) =>
    queryOptions({
      queryKey: ["changes", taskId, turn ?? "all", "patch", path],
      queryFn: ({ signal }) => readChanges(taskId, { turn, path }, signal),
    }),
};

/**
 * Reads the files as they are now if the task's runner is ready, and otherwise the commits of its
 * branch: looking at changes starts no runner. Without a path, only the figures are read.
 */
async function readChanges(taskId: string, { turn, path }: DiffChoice, signal: AbortSignal): Promise<Changes> {
  const query = {
    ...(turn !== undefined && { turn: String(turn) }),
    ...(path === undefined ? { stat: true } : { path }),
  };
  try {
    const workspace = wharf.taskWorkspace(taskId);
    const { state, is_open: isOpen } = await workspace.getTaskWorkspace({ signal });
    if (!isOpen || state !== "READY") return await wharf.tasks.getTaskDiff(taskId, query, { signal });
    if (turn === undefined) return await workspace.gitDiffAgainstBase(query, { signal });
    return await workspace.gitDiff(query, { signal });
  } catch (error) {
    if (isWharfError(error, "no_changes", "mirror_not_found", "revision_not_found")) return nothing;
    throw error;
  }
}
