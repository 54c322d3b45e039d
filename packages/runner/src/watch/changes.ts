import { lstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTick } from "node:timers/promises";
import type { FsChangeType } from "@wharf/contract";
import { isSystemError } from "../support/files.ts";
import type { IgnoreRules } from "./ignore-rules.ts";
import type { Tree } from "./tree.ts";

const AT_ONCE = 500; // paths looked at between two breaths
const CHANGES = 50_000; // that are kept of one batch

export interface Change {
  readonly type: FsChangeType;
  readonly path: string;
  readonly is_directory: boolean;
}

interface Places {
  readonly root: string;
  readonly tree: Tree;
  readonly rules: IgnoreRules;
}

/** What became of the paths that were touched, found by looking; the tree is brought up to date with it. */
export async function changesOf(
  touched: ReadonlyMap<string, boolean>,
  places: Places,
): Promise<{ changes: Change[]; complete: boolean }> {
  const { tree, rules } = places;
  const changes = new Changes();
  const fresh: { path: string; isDirectory: boolean }[] = [];
  let looked = 0;
  for (const [path, moved] of touched) {
    if (++looked % AT_ONCE === 0) await nextTick();
    if (!tree.covers(path)) continue;
    const isDirectory = settle(path, moved, { ...places, changes });
    if (isDirectory !== undefined) fresh.push({ path, isDirectory });
  }
  const ignored = await rules.ignored(fresh.map(({ path }) => path));
  for (const { path, isDirectory } of fresh) {
    if (ignored.has(path)) continue;
    changes.created(path, isDirectory);
    if (!isDirectory) tree.addFile(path);
    else await tree.addDirectory(path, (inner, innerIsDirectory) => changes.created(inner, innerIsDirectory));
  }
  return { changes: changes.list(), complete: changes.complete };
}

/** Notes what happened to something known. What is not known but there is given back: whether it is a directory. */
function settle(
  path: string,
  moved: boolean,
  { root, tree, changes }: Places & { changes: Changes },
): boolean | undefined {
  const stats = statsOf(join(root, path));
  const known = tree.knows(path);
  const remove = (): void => tree.remove(path, (gone, isDirectory) => changes.deleted(gone, isDirectory));
  if (!stats) {
    if (known) remove();
    return undefined;
  }
  const isDirectory = stats.isDirectory();
  if (known === undefined) return isDirectory;
  if (known === (isDirectory ? "directory" : "file")) {
    if (!isDirectory) changes.modified(path);
    // Another directory under the same name is another directory.
    if (!isDirectory || !moved || tree.isSame(path, stats)) return undefined;
  }
  remove();
  return isDirectory;
}

/** One change a path: gone and there again is a modification. */
class Changes {
  readonly #byPath = new Map<string, Change>();
  complete = true;

  created(path: string, isDirectory: boolean): void {
    const before = this.#byPath.get(path);
    if (before?.type === "file-deleted" && !isDirectory) this.#put(path, "file-modified", false);
    else if (before?.type === "directory-deleted" && isDirectory) this.#byPath.delete(path);
    else this.#put(path, isDirectory ? "directory-created" : "file-created", isDirectory);
  }

  modified(path: string): void {
    if (!this.#byPath.has(path)) this.#put(path, "file-modified", false);
  }

  deleted(path: string, isDirectory: boolean): void {
    this.#put(path, isDirectory ? "directory-deleted" : "file-deleted", isDirectory);
  }

  list(): Change[] {
    return [...this.#byPath.values()];
  }

  #put(path: string, type: FsChangeType, isDirectory: boolean): void {
    if (this.#byPath.size >= CHANGES && !this.#byPath.has(path)) this.complete = false;
    else this.#byPath.set(path, { type, path, is_directory: isDirectory });
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "EACCES")) return undefined;
    throw error;
  }
}
