import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { runGit } from "./run-git.ts";

/** Maximum number of packs in a mirror before they are combined. */
const maxPacks = 40;
const abandonedAfterMs = 60 * 60_000;

export const isLockedOut = (stderr: string): boolean =>
  /Unable to create '.*\.lock': File exists|cannot lock ref .*File exists/.test(stderr);

/** Removes ref locks that are older than any running git holds one. */
export async function clearStaleLocks(mirror: string, olderThan: number): Promise<void> {
  const refs = await readdir(join(mirror, "refs"), { recursive: true, withFileTypes: true }).catch(() => []);
  const locks = refs
    .filter((entry) => entry.isFile() && entry.name.endsWith(".lock"))
    .map((entry) => join(entry.parentPath, entry.name));
  await removeOldPaths(
    [...locks, join(mirror, "packed-refs.lock"), join(mirror, "HEAD.lock"), join(mirror, "config.lock")],
    olderThan,
  );
}

async function removeOldPaths(paths: readonly string[], olderThan: number): Promise<void> {
  for (const path of paths) {
    const stats = await stat(path).catch(() => undefined);
    if (stats && Date.now() - stats.mtimeMs >= olderThan) await rm(path, { recursive: true, force: true });
  }
}

/**
 * Keeps a mirror fast: combines packs and removes the leftovers of killed pushes. Unreachable
 * objects remain.
 */
export async function tidyMirror(
  mirror: string,
  options: { environment: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<void> {
  const objects = await readdir(join(mirror, "objects"));
  await removeOldPaths(
    objects.filter((name) => /^(?:tmp_objdir-)?incoming-/.test(name)).map((name) => join(mirror, "objects", name)),
    abandonedAfterMs,
  );
  const packs = (await readdir(join(mirror, "objects", "pack"))).filter((name) => name.endsWith(".pack"));
  if (packs.length <= maxPacks) return;
  try {
    await runGit([`--git-dir=${mirror}`, "repack", "-d", "--quiet", "--geometric=2"], options);
    await runGit([`--git-dir=${mirror}`, "pack-refs", "--all"], options);
  } catch (error) {
    // A mirror with many packs is slow, not broken: the next call tries again.
    if (options.signal.aborted) throw error;
  }
}

/** Removes incomplete mirrors that a killed server may have left. */
export async function removeUnfinishedMirrors(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await Promise.all(
    names
      .filter((name) => name.startsWith(".new-"))
      .map((name) => rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined)),
  );
}
