import type { Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { WharfError } from "./errors/index.ts";

const groupMayWrite = 0o020;
const othersMayWrite = 0o002;
const sticky = 0o1000;

/**
 * Fails where another user of this machine may write into a data folder, or may put another one in its place: what is read
 * from it decides whom the owner's token is sent to, and what a server runs. A folder that is missing is no error.
 */
export async function requireClosedFolder(folder: string): Promise<void> {
  const real = await realpath(folder).catch(() => undefined);
  if (real === undefined) return;
  const stats = await stat(real);
  if (stats.mode & othersMayWrite || isWritableByForeignGroup(stats))
    throw createOpenFolderError(real, `chmod go-w '${real}'`);
  for (const path of new Set([...getParents(resolve(folder)), ...getParents(real)])) await requireClosedParent(path);
}

/** Others may rename what is in a folder that they may write to, unless it is sticky as `/tmp` is. */
async function requireClosedParent(path: string): Promise<void> {
  const { mode, dev } = await stat(path);
  if (!(mode & othersMayWrite) || mode & sticky) return;
  // Who else mounts a volume is decided elsewhere, and provisioners open its root to everyone.
  const parentStats = await stat(dirname(path));
  if (parentStats.dev !== dev) return;
  throw createOpenFolderError(path, `chmod o-w '${path}'`);
}

/** Written to by a group that this process is in, a volume's in a pod say, the folder is not open to others. */
const isWritableByForeignGroup = ({ mode, gid }: Stats): boolean =>
  (mode & groupMayWrite) !== 0 && ![0, process.getegid?.(), ...(process.getgroups?.() ?? [])].includes(gid);

function getParents(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...getParents(parent)];
}

const createOpenFolderError = (path: string, command: string) => new WharfError("data_folder_open", { path, command });
