import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import type { FileType } from "@wharf/contract";
import { openRegular, type HeldFolder } from "../support/beneath.ts";
import { isSystemError } from "../support/files.ts";
import { IgnoreRules } from "../support/ignore-rules.ts";
import { readWhole } from "../support/read-bounded.ts";
import { isTemporary } from "../support/temporary.ts";
import { typeOf } from "./stats.ts";

export interface TreeEntry {
  readonly name: string;
  /** From the root. */
  readonly path: string;
  readonly type: FileType;
}

/** What stands in one folder, which is held until the next one is asked for. */
export interface TreeFolder {
  readonly folder: HeldFolder;
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
export const DEEPEST = 128;
const MOST_ENTRIES = 200_000; // of one folder
const MOST_RULE_BYTES = 1024 * 1024;

/** A folder, then the folders in it, and so on. Links are told of and not followed. What vanishes meanwhile is left out. */
export async function* walkTree(start: HeldFolder, options: WalkOptions): AsyncGenerator<TreeFolder, void, undefined> {
  const { path, signal, maxDepth = DEEPEST } = options;
  const ignore = options.ignore && (await rulesOf(start, path, options.ignore));
  const { entries, cut } = await entriesOf(start, { ...options, path, ignore });
  const folders = entries.filter(({ type }) => type === "directory");
  yield { folder: start, entries, cut: cut || (maxDepth <= 1 && folders.length > 0) };
  if (maxDepth <= 1) return;
  for (const child of folders) {
    signal.throwIfAborted();
    const entered = await start.enter(child.name).catch(unlessClosed);
    if (!entered) continue;
    await using folder = entered;
    yield* walkTree(folder, { ...options, path: child.path, ignore, maxDepth: maxDepth - 1 });
  }
}

/** The rules that hold in a folder: its own .gitignore before those above it. */
export async function rulesOf(folder: HeldFolder, path: string, above: IgnoreRules): Promise<IgnoreRules> {
  const text = await textOf(folder, ".gitignore");
  return text === undefined ? above : IgnoreRules.parse(text, path, above);
}

export async function textOf(folder: HeldFolder, name: string): Promise<string | undefined> {
  try {
    const { file } = await openRegular(folder, name);
    await using _ = file;
    return (await readWhole(file, MOST_RULE_BYTES))?.toString();
  } catch {
    // None, or none that may be read: then it says nothing.
    return undefined;
  }
}

async function entriesOf(
  folder: HeldFolder,
  options: Omit<WalkOptions, "maxDepth">,
): Promise<{ entries: TreeEntry[]; cut: boolean }> {
  const { path, ignore, leaveOut, temporary = false, signal } = options;
  const entries: TreeEntry[] = [];
  const keep = (found: Dirent): void => {
    const { name } = found;
    if ((!temporary && isTemporary(name)) || (ignore && name === ".git")) return;
    const entry = { name, path: path === "" ? name : `${path}/${name}`, type: typeOf(found) };
    if (ignore?.ignores(entry.path, entry.type === "directory") || leaveOut?.(entry)) return;
    entries.push(entry);
  };
  let seen = 0;
  for await (const found of await opendir(folder.at("."), { bufferSize: 512 })) {
    seen += 1;
    if (seen > MOST_ENTRIES) break;
    if (seen % 1_000 === 0) signal.throwIfAborted();
    keep(found);
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { entries, cut: seen > MOST_ENTRIES };
}

/** A folder that is gone, is something else by now, or may not be read. */
function unlessClosed(error: unknown): undefined {
  if (!isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM")) throw error;
}
