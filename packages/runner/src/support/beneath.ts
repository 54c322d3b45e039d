import { constants, type Stats } from "node:fs";
import { lstat, mkdir, open, readlink, realpath, type FileHandle } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { WharfError } from "@wharf/contract";
import { fileError, notAFile } from "./file-errors.ts";
import { isSystemError } from "./files.ts";

/**
 * Paths of callers who may reach what lies beneath one root and nothing else.
 *
 * A path is walked name by name. Each folder on the way is opened relative to the one before, which is held open, and
 * never through a link: a link is read and its target walked in the same way. So there is no moment between a check and
 * a use: who exchanges a folder for a link meanwhile makes the walk fail, or makes it walk the link's target beneath
 * the root. `..` goes back to the folder that was held before. What is used in the end is a name in a held folder.
 *
 * On Linux a held folder is entered through `/proc/self/fd`. Elsewhere Node offers nothing like it and the path that was
 * walked is used: links and `..` are refused as well, a race is not.
 */

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const STEP = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK;
const MOST_LINKS = 40;
const byDescriptor = process.platform === "linux";

/** A folder beneath a root, held open. */
export class HeldFolder implements AsyncDisposable {
  readonly handle: FileHandle;
  /** Where it was found, for people and for platforms that cannot enter a folder by its descriptor. */
  readonly #found: string;

  constructor(handle: FileHandle, found: string) {
    this.handle = handle;
    this.#found = found;
  }

  /** A path to an entry of this very folder, whatever became of the folder's own path. */
  at(name: string): string {
    return byDescriptor ? `/proc/self/fd/${this.handle.fd}/${name}` : join(this.#found, name);
  }

  /** Opens a folder in it; never through a link. */
  async enter(name: string): Promise<HeldFolder> {
    return new HeldFolder(await open(this.at(name), STEP), join(this.#found, name));
  }

  /** The folder's path on this machine, all links followed. */
  async path(): Promise<string> {
    return byDescriptor ? await readlink(`/proc/self/fd/${this.handle.fd}`) : this.#found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }
}

/** A name in a held folder; the name is empty where the path leads to the folder itself. */
export interface HeldEntry extends AsyncDisposable {
  readonly folder: HeldFolder;
  readonly name: string;
  /** What stands there, a link for itself; undefined where nothing does. */
  stat(): Promise<Stats | undefined>;
}

/** Where a path is walked from: a folder that may be trusted to stay where it is, or one that is held already. */
export type Root = string | HeldFolder;

export interface HoldOptions {
  /** Makes missing folders on the way. */
  create?: boolean | undefined;
  /** Whether links are followed: all; all but one at the path's end; none, and one on the way is `path_outside`. */
  links?: "follow" | "keep-last" | "refuse" | undefined;
}

/** Holds the folder that a path's last name stands in. The name itself may be missing. */
export async function holdEntry(root: Root, path: string, options: HoldOptions = {}): Promise<HeldEntry> {
  try {
    const walk = await Walk.begin(root, path, options);
    const { folder, name } = await walk.toEntry();
    return {
      folder,
      name,
      stat: () => (name === "" ? folder.handle.stat() : lstat(folder.at(name))).catch(missing),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Holds a folder beneath the root. */
export async function holdFolder(root: Root, path: string, options: HoldOptions = {}): Promise<HeldFolder> {
  try {
    const walk = await Walk.begin(root, path, options);
    return await walk.toFolder();
  } catch (error) {
    throw fileError(error, path, "folder");
  }
}

/** Opens a regular file for reading. */
export async function openFile(root: Root, path: string): Promise<{ file: FileHandle; stats: Stats }> {
  await using entry = await holdEntry(root, path);
  if (entry.name === "") throw notAFile(path);
  try {
    return await openRegular(entry.folder, entry.name);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Opens a regular file of a held folder for reading; never through a link, and a pipe does not make it wait. */
export async function openRegular(folder: HeldFolder, name: string): Promise<{ file: FileHandle; stats: Stats }> {
  const file = await open(folder.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw notAFile(name);
    return { file, stats };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The real path of something that exists beneath the root, links followed. Beyond the root it is `path_outside`. */
export async function resolveBeneath(root: string, path: string): Promise<string> {
  await using entry = await holdEntry(root, path);
  if (!(await entry.stat())) throw new WharfError("not_found", { what: "folder", id: path });
  return join(await entry.folder.path(), entry.name);
}

/** A path as callers see it: relative to the root, `.` for the root itself. Says nothing of what exists. */
export const shownPath = (root: string, path: string): string => relative(root, resolve(root, path)) || ".";

class Walk {
  readonly #root: HeldFolder;
  readonly #rootPaths: readonly string[];
  readonly #asked: string;
  readonly #options: HoldOptions;
  /** Folders on the way, the root not among them. */
  readonly #held: HeldFolder[] = [];
  /** Names still to be walked, the next one last. */
  #ahead: string[] = [];
  #links = 0;

  private constructor(root: HeldFolder, rootPaths: readonly string[], asked: string, options: HoldOptions) {
    this.#root = root;
    this.#rootPaths = rootPaths;
    this.#asked = asked;
    this.#options = options;
  }

  static async begin(from: Root, path: string, options: HoldOptions): Promise<Walk> {
    if (path.includes("\0")) throw new WharfError("path_outside", { path: path.replaceAll("\0", "\uFFFD") });
    const root = typeof from === "string" ? await openRoot(from) : await from.enter(".");
    try {
      const real = await root.path();
      const base = typeof from === "string" ? resolve(from) : real;
      const walk = new Walk(root, [base, real], path, options);
      // Said before looking, so that nobody learns what exists outside.
      walk.#add(resolve(base, path));
      return walk;
    } catch (error) {
      await root[Symbol.asyncDispose]();
      throw error;
    }
  }

  async toFolder(): Promise<HeldFolder> {
    return await this.#keepLast(async () => {
      for (let name = this.#ahead.pop(); name !== undefined; name = this.#ahead.pop()) await this.#step(name);
    });
  }

  async toEntry(): Promise<{ folder: HeldFolder; name: string }> {
    const follow = (this.#options.links ?? "follow") === "follow";
    let last = "";
    const folder = await this.#keepLast(async () => {
      for (let name = this.#ahead.pop(); name !== undefined; name = this.#ahead.pop()) {
        if (this.#ahead.length > 0 || name === "..") {
          await this.#step(name);
          continue;
        }
        const target = follow ? await linkTarget(this.#here.at(name)) : undefined;
        if (target === undefined) last = name;
        else await this.#followLink(target);
      }
    });
    return { folder, name: last };
  }

  get #here(): HeldFolder {
    return this.#held.at(-1) ?? this.#root;
  }

  async #step(name: string): Promise<void> {
    if (name === "..") {
      const left = this.#held.pop();
      if (!left) throw this.#outside();
      await left[Symbol.asyncDispose]();
      return;
    }
    for (let made = false; ; made = true) {
      try {
        this.#held.push(await this.#here.enter(name));
        return;
      } catch (error) {
        if (isSystemError(error, "ENOENT") && this.#options.create && !made) {
          await mkdir(this.#here.at(name)).catch(unlessThere);
          continue;
        }
        if (!isSystemError(error, "ENOTDIR", "ELOOP")) throw error;
        const target = await linkTarget(this.#here.at(name));
        if (target === undefined) throw error;
        return await this.#followLink(target);
      }
    }
  }

  async #followLink(target: string): Promise<void> {
    this.#links += 1;
    if (this.#links > MOST_LINKS || this.#options.links === "refuse") throw this.#outside();
    if (!isAbsolute(target)) return void this.#ahead.push(...namesOf(target));
    this.#add(resolve(target));
    for (let left = this.#held.pop(); left; left = this.#held.pop()) await left[Symbol.asyncDispose]();
  }

  /** Walks an absolute path from the root, before what is still to be walked. */
  #add(path: string): void {
    const base = this.#rootPaths.find((base) => lies(base, path));
    if (base === undefined) throw this.#outside();
    this.#ahead.push(...namesOf(relative(base, path)));
  }

  /** Gives the folder the walk ended in to the caller and closes all others. */
  async #keepLast(walk: () => Promise<void>): Promise<HeldFolder> {
    try {
      await walk();
      const last = this.#held.pop();
      // A folder that was moved away while it was held is no longer beneath the root.
      if (last && !lies(await this.#root.path(), await last.path())) {
        this.#held.push(last);
        throw this.#outside();
      }
      await this.#release(last === undefined);
      return last ?? this.#root;
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  async #release(keepRoot = false): Promise<void> {
    const all = keepRoot ? this.#held : [this.#root, ...this.#held];
    for (const folder of all) await folder[Symbol.asyncDispose]();
  }

  #outside(): WharfError {
    return new WharfError("path_outside", { path: this.#asked });
  }
}

async function openRoot(root: string): Promise<HeldFolder> {
  return new HeldFolder(await open(root, O_RDONLY | O_DIRECTORY), byDescriptor ? root : await realpath(root));
}

const namesOf = (path: string): string[] =>
  path
    .split(sep)
    .filter((name) => name !== "" && name !== ".")
    .toReversed();

/** Where a link points; undefined where there is no link. */
async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isSystemError(error, "EINVAL", "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function missing(error: unknown): undefined {
  if (!isSystemError(error, "ENOENT")) throw error;
}

function unlessThere(error: unknown): void {
  if (!isSystemError(error, "EEXIST")) throw error;
}

function lies(root: string, path: string): boolean {
  const from = relative(root, path);
  return from === "" || (from !== ".." && !from.startsWith(`..${sep}`) && !isAbsolute(from));
}
