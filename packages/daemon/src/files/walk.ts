import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import type { FileType } from "@wharf/contract";
import { isSystemError } from "../file-system/files.ts";
import type { FolderHandle } from "../file-system/rooted-path.ts";
import { isTemporary } from "../file-system/temporary-name.ts";
import { type IgnoreRules, readRules } from "../ignore/index.ts";
import { getFileType } from "./stats.ts";

export interface TreeEntry {
  readonly name: string;
  /** The path starts from the root. */
  readonly path: string;
  readonly type: FileType;
}

/** TreeFolder is one folder, held open until the next one is requested. */
export interface TreeFolder {
  readonly folder: FolderHandle;
  /** The entries are sorted by name. */
  readonly entries: readonly TreeEntry[];
  /** Entries were left out, because there are too many or they are too deep. */
  readonly cut: boolean;
}

export interface WalkOptions {
  /** The walk starts at this path from the root; `` is the root itself. */
  readonly path: string;
  /**
   * The rules come from above the start folder; with them, the walk leaves out ignored entries and
   * `.git`.
   */
  readonly ignore: IgnoreRules | undefined;
  /** Leaves out further entries, with their content. */
  readonly leaveOut?: ((entry: TreeEntry) => boolean) | undefined;
  /** Includes files that are being written. */
  readonly temporary?: boolean;
  readonly maxDepth?: number;
  readonly signal: AbortSignal;
}

/** A walk holds this many folders open at once. */
export const maxWalkDepth = 128;
const maxEntries = 200_000; // the limit applies to each folder
/**
 * Yields a folder, then its subfolders, and so on. Links are reported but not followed. Entries
 * that disappear meanwhile are left out.
 */
export async function* walkTree(
  start: FolderHandle,
  options: WalkOptions,
): AsyncGenerator<TreeFolder, void, undefined> {
  const { path, signal, maxDepth = maxWalkDepth } = options;
  const ignore = options.ignore && (await readRules(start, path, options.ignore));
  const { entries, cut } = await readEntries(start, { ...options, path, ignore });
  const folders = entries.filter(({ type }) => type === "directory");
  yield { folder: start, entries, cut: cut || (maxDepth <= 1 && folders.length > 0) };
  if (maxDepth <= 1) return;
  for (const child of folders) {
    signal.throwIfAborted();
    const entered = await start.openFolder(child.name).catch(ignoreInaccessible);
    if (!entered) continue;
    await using folder = entered;
    yield* walkTree(folder, { ...options, path: child.path, ignore, maxDepth: maxDepth - 1 });
  }
}

async function readEntries(
  folder: FolderHandle,
  options: Omit<WalkOptions, "maxDepth">,
): Promise<{ entries: TreeEntry[]; cut: boolean }> {
  const { path, ignore, leaveOut, temporary = false, signal } = options;
  const entries: TreeEntry[] = [];
  const addEntry = (dirent: Dirent): void => {
    const { name } = dirent;
    if ((!temporary && isTemporary(name)) || (ignore && name === ".git")) return;
    const entry = { name, path: path === "" ? name : `${path}/${name}`, type: getFileType(dirent) };
    if (ignore?.isIgnored(entry.path, entry.type === "directory") || leaveOut?.(entry)) return;
    entries.push(entry);
  };
  let entryCount = 0;
  for await (const dirent of await opendir(folder.getEntryPath("."), { bufferSize: 512 })) {
    entryCount += 1;
    if (entryCount > maxEntries) break;
    if (entryCount % 1_000 === 0) signal.throwIfAborted();
    addEntry(dirent);
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { entries, cut: entryCount > maxEntries };
}

/** Ignores errors for a folder that disappeared, was replaced, or may not be read. */
function ignoreInaccessible(error: unknown): undefined {
  if (!isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM")) throw error;
}
