import { lstat, opendir, readlink } from "node:fs/promises";
import type { FolderList, FolderPage } from "@wharf/contract";
import { toFileError } from "../file-system/file-errors.ts";
import { isSystemError } from "../file-system/files.ts";
import { openFolder, toShownPath, type FolderHandle } from "../file-system/rooted-path.ts";
import { toFileStats } from "./stats.ts";

const entriesPerBatch = 64;

/**
 * Returns one page of a folder's entries. Memory holds only one page of names, even for a huge
 * folder.
 */
export async function listFolder(workspace: string, input: FolderList, signal: AbortSignal): Promise<FolderPage> {
  const { path, after: afterName, limit } = input;
  await using folder = await openFolder(workspace, path);
  try {
    const names = await readFirstNames(folder, { after: afterName, count: limit + 1, signal });
    const page = names.slice(0, limit);
    const entries: FolderPage["entries"] = [];
    for (let offset = 0; offset < page.length; offset += entriesPerBatch) {
      signal.throwIfAborted();
      const batch = await Promise.all(
        page.slice(offset, offset + entriesPerBatch).map((name) => readEntry(folder, name)),
      );
      for (const entry of batch) if (entry) entries.push(entry);
    }
    const next = names.length > limit ? page.at(-1) : undefined;
    return { path: toShownPath(workspace, path), entries, ...(next !== undefined && { next }) };
  } catch (error) {
    throw toFileError(error, path);
  }
}

/** Returns the first names after a name, in order. */
async function readFirstNames(
  folder: FolderHandle,
  { after: afterName, count, signal }: { after: string | undefined; count: number; signal: AbortSignal },
): Promise<string[]> {
  let names: string[] = [];
  for await (const { name } of await opendir(folder.getEntryPath("."), { bufferSize: 512 })) {
    if (afterName !== undefined && !isBefore(afterName, name)) continue;
    names.push(name);
    if (names.length < count * 2 + 1_000) continue;
    signal.throwIfAborted();
    names = sortNames(names).slice(0, count);
  }
  return sortNames(names).slice(0, count);
}

/** Compares by code units, so that every page uses the same order. */
const isBefore = (a: string, b: string): boolean => a < b;
export const sortNames = (names: readonly string[]): string[] =>
  names.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));

/** Returns undefined if the entry no longer exists. */
async function readEntry(folder: FolderHandle, name: string): Promise<FolderPage["entries"][number] | undefined> {
  try {
    const stats = toFileStats(await lstat(folder.getEntryPath(name)));
    if (stats.type !== "symlink") return { name, ...stats };
    return { name, ...stats, link_target: await readlink(folder.getEntryPath(name)) };
  } catch (error) {
    if (isSystemError(error, "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}
