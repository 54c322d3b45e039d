import { lstatSync, opendirSync, watch, type FSWatcher, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTick } from "node:timers/promises";
import { isSystemError } from "../file-system/files.ts";
import { isTemporary } from "../file-system/temporary-name.ts";
import type { GitIgnoredPaths } from "../ignore/index.ts";

/**
 * Watches each directory of the workspace that is not ignored, and keeps the names in it. A
 * directory is watched before it is read, so that no change is missed in between.
 */

// At most this many directories are watched.
const maxDirectories = 50_000;
// At most this many names are kept.
const maxNames = 400_000;
const tooManyMessage = `it holds more than ${maxNames} files`;
// The event loop gets a turn after this many directories.
const directoriesPerBatch = 64;
// Each request to git has at most this many paths.
const pathsPerQuestion = 4_000;

interface WatchedDirectory {
  readonly identity: string;
  readonly watcher: FSWatcher;
  readonly files: Set<string>;
  readonly directories: Set<string>;
}

interface TreeEntry {
  readonly path: string;
  readonly isDirectory: boolean;
}

interface TreeOptions {
  readonly root: string;
  readonly rules: GitIgnoredPaths;
  /**
   * Runs when something happened to this path; `isRename` means that the path may have come or
   * gone.
   */
  readonly onTouched: (path: string, isRename: boolean) => void;
}

type EntryListener = (path: string, isDirectory: boolean) => void;

export class WatchedTree implements Disposable {
  readonly #options: TreeOptions;
  readonly #directories = new Map<string, WatchedDirectory>();
  #names = 0;
  #unwatched = 0;
  #problem: string | undefined;
  #closed = false;

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  get size(): { directories: number; files: number; unwatched: number; problem: string | undefined } {
    const directories = this.#directories.size;
    const files = Math.max(0, this.#names - Math.max(0, directories - 1));
    return { directories, files, unwatched: this.#unwatched, problem: this.#problem };
  }

  getKind(path: string): "file" | "directory" | undefined {
    const [parent, name] = parsePath(path);
    const directory = this.#directories.get(parent);
    if (directory?.files.has(name)) return "file";
    return directory?.directories.has(name) ? "directory" : undefined;
  }

  /**
   * Returns whether the path's directory is watched: changes in other directories do not matter.
   */
  isParentWatched(path: string): boolean {
    return this.#directories.has(parsePath(path)[0]);
  }

  /**
   * Returns whether this is still the directory that was read, and not another under the same name.
   */
  isSame(path: string, stats: Stats): boolean {
    return this.#directories.get(path)?.identity === getIdentity(stats);
  }

  addFile(path: string): void {
    const [parent, name] = parsePath(path);
    const directory = this.#directories.get(parent);
    if (!directory || directory.files.has(name)) return;
    if (this.#names >= maxNames) return this.#recordProblem(tooManyMessage);
    directory.files.add(name);
    this.#names++;
  }

  /**
   * Watches and reads a directory and all its contents that are not ignored; `onFound` receives the
   * contents.
   */
  async addDirectory(path: string, onFound?: EntryListener): Promise<void> {
    if (path !== "") {
      const [parent, name] = parsePath(path);
      const directory = this.#directories.get(parent);
      if (!directory) return;
      if (this.#names >= maxNames) return this.#recordProblem(tooManyMessage);
      if (!directory.directories.has(name)) this.#names++;
      directory.directories.add(name);
    }
    const pendingPaths = [path];
    while (pendingPaths.length > 0 && !this.#closed) {
      const entries = pendingPaths
        .splice(-directoriesPerBatch)
        .flatMap((pendingPath) => this.#watchDirectory(pendingPath));
      for (let start = 0; start < entries.length; start += pathsPerQuestion)
        pendingPaths.push(...(await this.#addEntries(entries.slice(start, start + pathsPerQuestion), onFound)));
      await nextTick();
    }
  }

  /** Removes a path; `onRemoved` receives everything inside, the deepest entries first. */
  remove(path: string, onRemoved?: EntryListener): void {
    const [parent, name] = parsePath(path);
    const parentDirectory = this.#directories.get(parent);
    if (parentDirectory?.files.delete(name)) {
      this.#names--;
      onRemoved?.(path, false);
      return;
    }
    if (!parentDirectory?.directories.delete(name)) return;
    this.#names--;
    this.#removeSubtree(path, onRemoved);
    onRemoved?.(path, true);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const { watcher } of this.#directories.values()) watcher.close();
    this.#directories.clear();
  }

  #removeSubtree(path: string, onRemoved: EntryListener | undefined): void {
    const directory = this.#directories.get(path);
    if (!directory) return;
    for (const name of directory.directories) {
      this.#removeSubtree(join(path, name), onRemoved);
      onRemoved?.(join(path, name), true);
    }
    for (const name of directory.files) onRemoved?.(join(path, name), false);
    this.#names -= directory.directories.size + directory.files.size;
    directory.watcher.close();
    this.#directories.delete(path);
  }

  /** Adds the entries that are not ignored, and returns their directories. */
  async #addEntries(entries: readonly TreeEntry[], onFound: EntryListener | undefined): Promise<string[]> {
    const ignored = await this.#options.rules.getIgnoredPaths(entries.map(({ path }) => path));
    const directories: string[] = [];
    for (const { path, isDirectory } of entries) {
      const [parent, name] = parsePath(path);
      const directory = this.#directories.get(parent);
      if (!directory || ignored.has(path)) continue;
      const names = isDirectory ? directory.directories : directory.files;
      if (names.has(name)) continue;
      if (this.#names >= maxNames) {
        this.#recordProblem(tooManyMessage);
        break;
      }
      names.add(name);
      this.#names++;
      onFound?.(path, isDirectory);
      if (isDirectory) directories.push(path);
    }
    return directories;
  }

  /** Starts to watch a directory and reads its names. */
  #watchDirectory(path: string): TreeEntry[] {
    if (this.#directories.has(path) || this.#closed) return [];
    if (this.#directories.size >= maxDirectories) {
      this.#recordProblem(`it holds more than ${maxDirectories} directories`);
      return [];
    }
    const full = join(this.#options.root, path);
    try {
      const stats = lstatSync(full);
      // The watcher never follows a link, not even one that leads into the workspace.
      if (!stats.isDirectory() && path !== "") return [];
      const watcher = watch(full, { persistent: false }, (event, name) => {
        if (name !== null && isOfInterest(name)) this.#options.onTouched(join(path, name), event === "rename");
      });
      watcher.on("error", (error) => this.#recordProblem(error.message));
      this.#directories.set(path, { identity: getIdentity(stats), watcher, files: new Set(), directories: new Set() });
      return getEntries(full, path);
    } catch (error) {
      // The directory was removed meanwhile, which the watcher of its parent reports.
      if (isSystemError(error, "ENOENT", "ENOTDIR")) return [];
      this.#recordProblem(error instanceof Error ? error.message : String(error));
      return [];
    }
  }

  #recordProblem(problem: string): void {
    this.#unwatched++;
    this.#problem = problem;
  }
}

function getEntries(folder: string, path: string): TreeEntry[] {
  using handle = opendirSync(folder, { bufferSize: 256 });
  const entries: TreeEntry[] = [];
  for (let entry = handle.readSync(); entry !== null && entries.length < maxNames; entry = handle.readSync())
    if (isOfInterest(entry.name)) entries.push({ path: join(path, entry.name), isDirectory: entry.isDirectory() });
  return entries;
}

const isOfInterest = (name: string): boolean => name !== ".git" && !isTemporary(name);

function parsePath(path: string): readonly [string, string] {
  const slashIndex = path.lastIndexOf("/");
  return slashIndex < 0 ? ["", path] : [path.slice(0, slashIndex), path.slice(slashIndex + 1)];
}

/** The birth time is needed because a freed inode number is reused immediately. */
const getIdentity = ({ dev, ino, birthtimeMs }: Stats): string => `${dev}:${ino}:${birthtimeMs}`;
