import type { RunDeps } from "../../shared/deps.ts";
import { appendNotice } from "../../shared/notices.ts";
import type { RunLease } from "../../state/lease.ts";

const texts = {
  submodules:
    "The repository has submodules. Wharf does not fetch them, so their folders are empty in the runner (docs/repositories.md).",
  lfs: "The repository keeps files in Git LFS. Wharf does not fetch them, so the runner has their pointers (docs/repositories.md).",
};

interface ClonedCommit {
  readonly repositoryId: string;
  readonly commit: string;
  readonly signal: AbortSignal;
}

/** Reports in the task's log which parts of the repository are missing in the workspace. */
export async function reportLeftOutParts(
  { mirrors, log, logger }: Pick<RunDeps, "mirrors" | "log" | "logger">,
  lease: RunLease,
  { repositoryId, commit, signal }: ClonedCommit,
): Promise<void> {
  try {
    for (const part of await mirrors.findLeftOutParts(repositoryId, commit, signal))
      await appendNotice(log, lease, texts[part]);
  } catch (error) {
    signal.throwIfAborted();
    logger.warn({ error, task_id: lease.task_id }, "could not search the repository for submodules");
  }
}
