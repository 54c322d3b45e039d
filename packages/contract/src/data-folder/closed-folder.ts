import type { Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { WharfError } from "../errors/index.ts";

const groupMayWrite = 0o020;
const othersMayWrite = 0o002;
const sticky = 0o1000;

/**
 * Fails if another user of this machine may write into a data folder or replace it: the folder's
 * content decides who receives the owner's token and what a server runs. A missing folder is not an
 * error.
 */
export async function requireClosedFolder(folder: string): Promise<void> {
  const real = await realpath(folder).catch(() => undefined);
  if (real === undefined) return;
  const stats = await stat(real);
  if (stats.mode & othersMayWrite || isWritableByForeignGroup(stats))
    throw createOpenFolderError(real, `chmod go-w '${real}'`);
  for (const path of new Set([...getParents(resolve(folder)), ...getParents(real)])) await requireClosedParent(path);
}

/**
 * Users with write access to a folder may rename its entries, unless the folder is sticky like
 * `/tmp`.
 */
async function requireClosedParent(path: string): Promise<void> {
  const { mode, dev } = await stat(path);
  if (!(mode & othersMayWrite) || mode & sticky) return;
  // The parent of a volume is outside Wharf's control, and provisioners open a volume's root to
  // everyone.
  const parentStats = await stat(dirname(path));
  if (parentStats.dev !== dev) return;
  throw createOpenFolderError(path, `chmod o-w '${path}'`);
}

/**
 * A group that this process belongs to may write to the folder, for example on a pod's volume. That
 * does not open the folder to others.
 */
const isWritableByForeignGroup = ({ mode, gid }: Stats): boolean =>
  (mode & groupMayWrite) !== 0 && ![0, process.getegid?.(), ...(process.getgroups?.() ?? [])].includes(gid);

function getParents(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...getParents(parent)];
}

const createOpenFolderError = (path: string, command: string) => new WharfError("data_folder_open", { path, command });
