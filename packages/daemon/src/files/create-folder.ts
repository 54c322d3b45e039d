import { mkdir } from "node:fs/promises";
import type { FolderCreate, FolderCreated } from "@wharf/contract";
import { createAlreadyExistsError, toFileError } from "../file-system/file-errors.ts";
import { isSystemError } from "../file-system/files.ts";
import { openEntry, toShownPath } from "../file-system/rooted-path.ts";

/** Creates a folder. A folder that exists already is not an error, and stays as it is. */
export async function createFolder(
  workspace: string,
  { path, create_parents: create }: FolderCreate,
): Promise<FolderCreated> {
  await using entry = await openEntry(workspace, path, { create });
  const shownPath = toShownPath(workspace, path);
  if (entry.name === "") return { path: shownPath, created: false };
  try {
    await mkdir(entry.folder.getEntryPath(entry.name));
    return { path: shownPath, created: true };
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw toFileError(error, path);
    if (!(await entry.stat())?.isDirectory()) throw createAlreadyExistsError(path, error);
    return { path: shownPath, created: false };
  }
}
