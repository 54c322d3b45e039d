import { lstat, opendir, readlink } from "node:fs/promises";
import type { FolderList, FolderPage } from "@wharf/contract";
import { holdFolder, shownPath, type HeldFolder } from "../support/beneath.ts";
import { fileError } from "../support/file-errors.ts";
import { isSystemError } from "../support/files.ts";
import { statsOf } from "./stats.ts";

const AT_ONCE = 64;

/** One page of a folder's entries. However many there are, only a page of names is in memory. */
export async function listFolder(workspace: string, input: FolderList, signal: AbortSignal): Promise<FolderPage> {
  const { path, after, limit } = input;
  await using folder = await holdFolder(workspace, path);
  try {
    const names = await firstNames(folder, { after, count: limit + 1, signal });
    const page = names.slice(0, limit);
    const entries: FolderPage["entries"] = [];
    for (let at = 0; at < page.length; at += AT_ONCE) {
      signal.throwIfAborted();
      const some = await Promise.all(page.slice(at, at + AT_ONCE).map((name) => described(folder, name)));
      for (const entry of some) if (entry) entries.push(entry);
    }
    const next = names.length > limit ? page.at(-1) : undefined;
    return { path: shownPath(workspace, path), entries, ...(next !== undefined && { next }) };
  } catch (error) {
    throw fileError(error, path, "folder");
  }
}

/** The first names behind a name, in order. */
async function firstNames(
  folder: HeldFolder,
  { after, count, signal }: { after: string | undefined; count: number; signal: AbortSignal },
): Promise<string[]> {
  let names: string[] = [];
  for await (const { name } of await opendir(folder.at("."), { bufferSize: 512 })) {
    if (after !== undefined && !isBefore(after, name)) continue;
    names.push(name);
    if (names.length < count * 2 + 1_000) continue;
    signal.throwIfAborted();
    names = sorted(names).slice(0, count);
  }
  return sorted(names).slice(0, count);
}

/** By code units, so that every page agrees on the order. */
const isBefore = (a: string, b: string): boolean => a < b;
export const sorted = (names: readonly string[]): string[] =>
  names.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));

/** Nothing where it is gone by now. */
async function described(folder: HeldFolder, name: string): Promise<FolderPage["entries"][number] | undefined> {
  try {
    const stats = statsOf(await lstat(folder.at(name)));
    if (stats.type !== "symlink") return { name, ...stats };
    return { name, ...stats, link_target: await readlink(folder.at(name)) };
  } catch (error) {
    if (isSystemError(error, "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}
