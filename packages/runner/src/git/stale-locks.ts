import { lstat, realpath, rm } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isOpenAnywhere } from "../support/open-files.ts";
import { GitFailure } from "./command.ts";
import type { Workspace } from "./workspace.ts";

/** git holds a lock for the time of one write; only a git that was killed leaves one for longer. */
const staleAfterMs = 2_000;
const waitMs = 250;
const maxTries = 14;

/**
 * Does what git may refuse because something is locked. A lock of the repository (the index, HEAD, a branch, the packed
 * refs, the configuration) that is seconds old and that no process has open was left by a git that was killed: it is
 * removed. Any other is waited for. Called while no other git of the daemon's is at work.
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

/** The lock that git names in its own words. */
function parseLockPath(words: string): string | undefined {
  const [, lock] = /Unable to create '(\/[^\n]+\.lock)': File exists/.exec(words) ?? [];
  if (lock !== undefined) return lock;
  const [, config] = /could not lock config file (\/[^\n]+): File exists/.exec(words) ?? [];
  return config && `${config}.lock`;
}

/** The lock's real path, if it is of the workspace's repository: the agent may have put a link on the way. */
async function getOwnLock({ folder }: Workspace, lock: string): Promise<string | undefined> {
  const [repository, parent] = await Promise.all([realpath(join(folder, ".git")), realpath(dirname(lock))]);
  return `${parent}${sep}`.startsWith(`${repository}${sep}`) ? join(parent, basename(lock)) : undefined;
}

async function isStale(lock: string): Promise<boolean> {
  const stats = await lstat(lock).catch(() => undefined);
  // The time may have been set back since.
  return stats !== undefined && Math.abs(Date.now() - stats.mtimeMs) > staleAfterMs && !(await isOpenAnywhere(lock));
}
