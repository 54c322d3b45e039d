import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import type { FileType } from "@wharf/contract";
import { openRegularFile, type FolderHandle } from "../support/rooted-path.ts";
import { isSystemError } from "../support/files.ts";
import { IgnoreRules } from "../support/ignore-rules.ts";
import { readWholeFile } from "../support/read-bounded.ts";
import { isTemporary } from "../support/temporary-name.ts";
import { getFileType } from "./stats.ts";

export interface TreeEntry {
  readonly name: string;
  /** From the root. */
  readonly path: string;
  readonly type: FileType;
}

/** What stands in one folder, which is held until the next one is asked for. */
export interface TreeFolder {
  readonly folder: FolderHandle;
  /** By name. */
  readonly entries: readonly TreeEntry[];
  /** Something in it was left out, because there is too much or it lies too deep. */
  readonly cut: boolean;
}

export interface WalkOptions {
  /** Path of the folder it begins with, from the root; `` for the root itself. */
  readonly path: string;
  /** Rules from above that folder; with them, what is ignored is left out, and `.git`. */
  readonly ignore: IgnoreRules | undefined;
  /** Leaves out more, and what lies in it. */
  readonly leaveOut?: ((entry: TreeEntry) => boolean) | undefined;
  /** Whether files that are being written are among the entries. */
  readonly temporary?: boolean;
  readonly maxDepth?: number;
  readonly signal: AbortSignal;
}

/** Folders that are held open at once. */
export const maxWalkDepth = 128;
const maxEntries = 200_000; // of one folder
const maxRuleBytes = 1024 * 1024;

/** A folder, then the folders in it, and so on. Links are told of and not followed. What vanishes meanwhile is left out. */
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

/** The rules that hold in a folder: its own .gitignore before those above it. */
export async function readRules(folder: FolderHandle, path: string, parentRules: IgnoreRules): Promise<IgnoreRules> {
  const text = await readText(folder, ".gitignore");
  return text === undefined ? parentRules : IgnoreRules.parse(text, path, parentRules);
}

export async function readText(folder: FolderHandle, name: string): Promise<string | undefined> {
  try {
    const { file } = await openRegularFile(folder, name);
    await using _ = file;
    return (await readWholeFile(file, maxRuleBytes))?.toString();
  } catch {
    // None, or none that may be read: then it says nothing.
    return undefined;
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

/** A folder that is gone, is something else by now, or may not be read. */
function ignoreInaccessible(error: unknown): undefined {
  if (!isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM")) throw error;
}
