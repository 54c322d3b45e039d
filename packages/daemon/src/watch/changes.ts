import { lstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTick } from "node:timers/promises";
import type { FsChangeType } from "@wharf/contract";
import { isSystemError } from "../file-system/files.ts";
import type { GitIgnoredPaths } from "../ignore/index.ts";
import type { WatchedTree } from "./watched-tree.ts";

// The event loop gets a turn after this many paths.
const pathsPerBatch = 500;
// A batch keeps at most this many changes.
const maxChanges = 50_000;

export interface TreeChange {
  readonly type: FsChangeType;
  readonly path: string;
  readonly is_directory: boolean;
}

interface ScanContext {
  readonly root: string;
  readonly tree: WatchedTree;
  readonly rules: GitIgnoredPaths;
}

/** Finds out what happened to the touched paths by checking each of them, and updates the tree. */
export async function collectChanges(
  touched: ReadonlyMap<string, boolean>,
  context: ScanContext,
): Promise<{ changes: TreeChange[]; complete: boolean }> {
  const { tree, rules } = context;
  const changeSet = new ChangeSet();
  const newEntries: { path: string; isDirectory: boolean }[] = [];
  let checkedCount = 0;
  for (const [path, isRename] of touched) {
    if (++checkedCount % pathsPerBatch === 0) await nextTick();
    if (!tree.isParentWatched(path)) continue;
    const isDirectory = recordChange(path, isRename, { ...context, changes: changeSet });
    if (isDirectory !== undefined) newEntries.push({ path, isDirectory });
  }
  const ignored = await rules.getIgnoredPaths(newEntries.map(({ path }) => path));
  for (const { path, isDirectory } of newEntries) {
    if (ignored.has(path)) continue;
    changeSet.addCreated(path, isDirectory);
    if (!isDirectory) tree.addFile(path);
    else await tree.addDirectory(path, (inner, innerIsDirectory) => changeSet.addCreated(inner, innerIsDirectory));
  }
  return { changes: changeSet.list(), complete: changeSet.complete };
}

/**
 * Records the change of a known path. For an existing but unknown path, returns whether it is a
 * directory.
 */
function recordChange(
  path: string,
  isRename: boolean,
  { root, tree, changes: changeSet }: ScanContext & { changes: ChangeSet },
): boolean | undefined {
  const stats = getStats(join(root, path));
  const knownKind = tree.getKind(path);
  const removeFromTree = (): void =>
    tree.remove(path, (removedPath, isDirectory) => changeSet.addDeleted(removedPath, isDirectory));
  if (!stats) {
    if (knownKind) removeFromTree();
    return undefined;
  }
  const isDirectory = stats.isDirectory();
  if (knownKind === undefined) return isDirectory;
  if (knownKind === (isDirectory ? "directory" : "file")) {
    if (!isDirectory) changeSet.addModified(path);
    // A replaced directory is a different directory even under the same name.
    if (!isDirectory || !isRename || tree.isSame(path, stats)) return undefined;
  }
  removeFromTree();
  return isDirectory;
}

/** Keeps one change for each path: a deletion followed by a creation is a modification. */
class ChangeSet {
  readonly #byPath = new Map<string, TreeChange>();
  complete = true;

  addCreated(path: string, isDirectory: boolean): void {
    const previousChange = this.#byPath.get(path);
    if (previousChange?.type === "file-deleted" && !isDirectory) this.#setChange(path, "file-modified", false);
    else if (previousChange?.type === "directory-deleted" && isDirectory) this.#byPath.delete(path);
    else this.#setChange(path, isDirectory ? "directory-created" : "file-created", isDirectory);
  }

  addModified(path: string): void {
    if (!this.#byPath.has(path)) this.#setChange(path, "file-modified", false);
  }

  addDeleted(path: string, isDirectory: boolean): void {
    this.#setChange(path, isDirectory ? "directory-deleted" : "file-deleted", isDirectory);
  }

  list(): TreeChange[] {
    return [...this.#byPath.values()];
  }

  #setChange(path: string, type: FsChangeType, isDirectory: boolean): void {
    if (this.#byPath.size >= maxChanges && !this.#byPath.has(path)) this.complete = false;
    else this.#byPath.set(path, { type, path, is_directory: isDirectory });
  }
}

function getStats(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "EACCES")) return undefined;
    throw error;
  }
}
