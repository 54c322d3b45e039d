import { lstatSync, opendirSync, watch, type FSWatcher, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTick } from "node:timers/promises";
import { isSystemError } from "../support/files.ts";
import { isTemporary } from "../support/temporary.ts";
import type { IgnoreRules } from "./ignore-rules.ts";

/**
 * The directories of the workspace that are not ignored, each watched by itself, and the names in them. A directory is
 * watched before it is read, so that nothing falls between.
 */

const DIRECTORIES = 50_000; // that are watched at most
const NAMES = 400_000; // that are remembered at most
const TOO_MANY = `it holds more than ${NAMES} files`;
const AT_ONCE = 64; // directories read between two breaths
const ASKED_AT_ONCE = 4_000; // paths given to git in one question

interface Directory {
  readonly identity: string;
  readonly watcher: FSWatcher;
  readonly files: Set<string>;
  readonly directories: Set<string>;
}

interface Entry {
  readonly path: string;
  readonly isDirectory: boolean;
}

interface TreeOptions {
  readonly root: string;
  readonly rules: IgnoreRules;
  /** Something happened to this path; `moved` when it may have come or gone. */
  readonly onTouched: (path: string, moved: boolean) => void;
}

type Found = (path: string, isDirectory: boolean) => void;

export class Tree implements Disposable {
  readonly #options: TreeOptions;
  readonly #directories = new Map<string, Directory>();
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

  knows(path: string): "file" | "directory" | undefined {
    const [parent, name] = split(path);
    const directory = this.#directories.get(parent);
    if (directory?.files.has(name)) return "file";
    return directory?.directories.has(name) ? "directory" : undefined;
  }

  /** Whether the directory above is watched: what happens beneath others is not of interest. */
  covers(path: string): boolean {
    return this.#directories.has(split(path)[0]);
  }

  /** The same directory as when it was read, and no other under its name. */
  isSame(path: string, stats: Stats): boolean {
    return this.#directories.get(path)?.identity === identityOf(stats);
  }

  addFile(path: string): void {
    const [parent, name] = split(path);
    const directory = this.#directories.get(parent);
    if (!directory || directory.files.has(name)) return;
    if (this.#names >= NAMES) return this.#leaveOut(TOO_MANY);
    directory.files.add(name);
    this.#names++;
  }

  /** Watches and reads a directory and all beneath it that is not ignored; what is found beneath it is told of. */
  async addDirectory(path: string, found?: Found): Promise<void> {
    if (path !== "") {
      const [parent, name] = split(path);
      const directory = this.#directories.get(parent);
      if (!directory) return;
      if (this.#names >= NAMES) return this.#leaveOut(TOO_MANY);
      if (!directory.directories.has(name)) this.#names++;
      directory.directories.add(name);
    }
    const waiting = [path];
    while (waiting.length > 0 && !this.#closed) {
      const entries = waiting.splice(-AT_ONCE).flatMap((at) => this.#open(at));
      for (let from = 0; from < entries.length; from += ASKED_AT_ONCE)
        waiting.push(...(await this.#keep(entries.slice(from, from + ASKED_AT_ONCE), found)));
      await nextTick();
    }
  }

  /** Forgets what stood there; everything that stood beneath it is told of, the deepest first. */
  remove(path: string, removed?: Found): void {
    const [parent, name] = split(path);
    const above = this.#directories.get(parent);
    if (above?.files.delete(name)) {
      this.#names--;
      removed?.(path, false);
      return;
    }
    if (!above?.directories.delete(name)) return;
    this.#names--;
    this.#drop(path, removed);
    removed?.(path, true);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const { watcher } of this.#directories.values()) watcher.close();
    this.#directories.clear();
  }

  #drop(path: string, removed: Found | undefined): void {
    const directory = this.#directories.get(path);
    if (!directory) return;
    for (const name of directory.directories) {
      this.#drop(join(path, name), removed);
      removed?.(join(path, name), true);
    }
    for (const name of directory.files) removed?.(join(path, name), false);
    this.#names -= directory.directories.size + directory.files.size;
    directory.watcher.close();
    this.#directories.delete(path);
  }

  /** Remembers what is not ignored, and gives the directories among it. */
  async #keep(entries: readonly Entry[], found: Found | undefined): Promise<string[]> {
    const ignored = await this.#options.rules.ignored(entries.map(({ path }) => path));
    const directories: string[] = [];
    for (const { path, isDirectory } of entries) {
      const [parent, name] = split(path);
      const directory = this.#directories.get(parent);
      if (!directory || ignored.has(path)) continue;
      const names = isDirectory ? directory.directories : directory.files;
      if (names.has(name)) continue;
      if (this.#names >= NAMES) {
        this.#leaveOut(TOO_MANY);
        break;
      }
      names.add(name);
      this.#names++;
      found?.(path, isDirectory);
      if (isDirectory) directories.push(path);
    }
    return directories;
  }

  /** Begins to watch and reads the names. */
  #open(path: string): Entry[] {
    if (this.#directories.has(path) || this.#closed) return [];
    if (this.#directories.size >= DIRECTORIES) {
      this.#leaveOut(`it holds more than ${DIRECTORIES} directories`);
      return [];
    }
    const full = join(this.#options.root, path);
    try {
      const stats = lstatSync(full);
      // Never through a link, wherever that leads.
      if (!stats.isDirectory() && path !== "") return [];
      const watcher = watch(full, { persistent: false }, (event, name) => {
        if (name !== null && isOfInterest(name)) this.#options.onTouched(join(path, name), event === "rename");
      });
      watcher.on("error", (error) => this.#leaveOut(error.message));
      this.#directories.set(path, { identity: identityOf(stats), watcher, files: new Set(), directories: new Set() });
      return entriesOf(full, path);
    } catch (error) {
      // It went away meanwhile, which the watcher above it tells.
      if (isSystemError(error, "ENOENT", "ENOTDIR")) return [];
      this.#leaveOut(error instanceof Error ? error.message : String(error));
      return [];
    }
  }

  #leaveOut(problem: string): void {
    this.#unwatched++;
    this.#problem = problem;
  }
}

function entriesOf(folder: string, path: string): Entry[] {
  using handle = opendirSync(folder, { bufferSize: 256 });
  const entries: Entry[] = [];
  for (let entry = handle.readSync(); entry !== null && entries.length < NAMES; entry = handle.readSync())
    if (isOfInterest(entry.name)) entries.push({ path: join(path, entry.name), isDirectory: entry.isDirectory() });
  return entries;
}

const isOfInterest = (name: string): boolean => name !== ".git" && !isTemporary(name);

function split(path: string): readonly [string, string] {
  const at = path.lastIndexOf("/");
  return at < 0 ? ["", path] : [path.slice(0, at), path.slice(at + 1)];
}

/** A number of an inode is given again at once where it became free. */
const identityOf = ({ dev, ino, birthtimeMs }: Stats): string => `${dev}:${ino}:${birthtimeMs}`;
