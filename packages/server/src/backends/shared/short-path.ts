import { lstat, mkdir, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getDescriptorPath, isTooLongForSocket } from "@wharf/contract/data-folder";
import { getErrorCode } from "../../std/errors.ts";
import { getHash } from "../../std/hash.ts";

/**
 * Returns a path to the file in the folder that fits a socket's address, for the process that has
 * the folder open under this descriptor.
 */
export async function getShortPath(folder: string, name: string, descriptor: number): Promise<string> {
  const path = join(folder, name);
  if (!isTooLongForSocket(path)) return path;
  return process.platform === "linux" ? getDescriptorPath(descriptor, name) : join(await createLink(folder), name);
}

/** Returns the path where `createLink` puts its link. */
export function getLinkPath(folder: string, temporary = tmpdir()): string {
  return join(temporary, `wharf-${process.getuid?.() ?? 0}`, getHash(folder).slice(0, 12));
}

/**
 * Creates a link to the folder, short and always the same, in a folder that no other user can write
 * to.
 */
export async function createLink(folder: string, temporary = tmpdir()): Promise<string> {
  const link = getLinkPath(folder, temporary);
  const links = join(link, "..");
  await mkdir(links, { recursive: true, mode: 0o700 });
  const stats = await lstat(links);
  const isPrivate = stats.isDirectory() && stats.uid === (process.getuid?.() ?? 0) && (stats.mode & 0o077) === 0;
  if (!isPrivate) throw new Error(`${links} belongs to another user`);
  await symlink(folder, link).catch((error: unknown) => {
    if (getErrorCode(error) !== "EEXIST") throw error;
  });
  return link;
}
