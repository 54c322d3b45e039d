import { link, rename, unlink } from "node:fs/promises";
import { type PathMoved, type PathTransfer, WharfError } from "@wharf/contract";
import { createAlreadyExistsError, toFileError } from "../file-system/file-errors.ts";
import { isSystemError } from "../file-system/files.ts";
import { type EntryHandle, openEntry, toShownPath } from "../file-system/rooted-path.ts";

/**
 * Moves a file, a link or a folder to another path. A link is moved itself. Without `overwrite`
 * nothing is replaced, not even a file that another program creates at the same time.
 */
export async function movePath(workspace: string, input: PathTransfer): Promise<PathMoved> {
  const { path, to: targetPath, overwrite, create_parents } = input;
  await using source = await openEntry(workspace, path, { links: "keep-last" });
  requireName(source, path);
  const stats = await source.stat();
  if (!stats) throw new WharfError("file_not_found", { path });
  await using target = await openEntry(workspace, targetPath, { links: "keep-last", create: create_parents });
  requireName(target, targetPath);
  const from = source.folder.getEntryPath(source.name);
  const to = target.folder.getEntryPath(target.name);
  try {
    if (overwrite) await rename(from, to);
    else if (stats.isDirectory()) {
      // No call of Node's renames a folder without replacing an empty one.
      if (await target.stat()) throw createAlreadyExistsError(targetPath);
      await rename(from, to);
    } else {
      await link(from, to);
      await unlink(from);
    }
  } catch (error) {
    if (isSystemError(error, "EINVAL")) throw createPathError("to", "is inside the folder that is moved");
    throw toFileError(error, targetPath);
  }
  return { path: toShownPath(workspace, path), to: toShownPath(workspace, targetPath) };
}

function requireName({ name }: EntryHandle, path: string): void {
  if (name === "") throw createPathError(path, "is the workspace itself");
}

export const createPathError = (path: string, message: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path, message }] });
