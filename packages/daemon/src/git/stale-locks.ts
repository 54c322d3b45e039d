import { lstat, realpath, rm } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isOpenAnywhere } from "../file-system/open-files.ts";
import { GitFailure } from "./command.ts";
import type { Workspace } from "./workspace.ts";

/** git holds a lock during one write; only a killed git leaves one for longer. */
const staleAfterMs = 2_000;
const waitMs = 250;
const maxTries = 14;

/**
 * Retries an action that git may refuse because of a lock. A lock of the repository (the index,
 * HEAD, a branch, the packed refs, the configuration) that is seconds old and not open in any
 * process was left by a killed git and is removed. Any other lock is waited for. Called while the
 * daemon runs no other git.
 */
export async function retryWhileLocked<T>(workspace: Workspace, action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (error) {
      const lockPath = error instanceof GitFailure ? parseLockPath(error.stderr) : undefined;
      const lock = lockPath === undefined ? undefined : await getOwnLock(workspace, lockPath);
      if (lock === undefined || !(error instanceof GitFailure)) throw error;
      if (tries === maxTries) throw new GitFailure(error.context.command, `another process holds ${lockPath}`);
      if (await isStale(lock)) await rm(lock, { force: true });
      else await sleep(waitMs);
    }
  }
}

/** Returns the lock that git's error message names. */
function parseLockPath(words: string): string | undefined {
  const [, lock] = /Unable to create '(\/[^\n]+\.lock)': File exists/.exec(words) ?? [];
  if (lock !== undefined) return lock;
  const [, config] = /could not lock config file (\/[^\n]+): File exists/.exec(words) ?? [];
  return config && `${config}.lock`;
}

/**
 * Returns the lock's real path if it is in the workspace's repository: the agent may have put a
 * link in its path.
 */
async function getOwnLock({ folder }: Workspace, lock: string): Promise<string | undefined> {
  const [repository, parent] = await Promise.all([realpath(join(folder, ".git")), realpath(dirname(lock))]);
  return `${parent}${sep}`.startsWith(`${repository}${sep}`) ? join(parent, basename(lock)) : undefined;
}

async function isStale(lock: string): Promise<boolean> {
  const stats = await lstat(lock).catch(() => undefined);
  // The clock may have been set back since.
  return stats !== undefined && Math.abs(Date.now() - stats.mtimeMs) > staleAfterMs && !(await isOpenAnywhere(lock));
}
