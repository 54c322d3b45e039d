import { constants, type Stats } from "node:fs";
import { lstat, mkdir, open, readlink, realpath, type FileHandle } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { WharfError } from "@wharf/contract";
import { toFileError, createNotAFileError } from "./file-errors.ts";
import { ignoreSystemErrors, isSystemError } from "./files.ts";

/**
 * Resolves paths for callers who may reach everything inside one root and nothing else.
 *
 * A path is walked name by name. Each folder on the way is opened relative to the previous folder,
 * which is held open, and never through a link: a link is read and its target is walked in the same
 * way. This leaves no gap between check and use: if a folder is exchanged for a link meanwhile, the
 * walk fails or walks the link's target inside the root. `..` returns to the previously held
 * folder. The result of a walk is a name in a held folder.
 *
 * On Linux a held folder is entered through `/proc/self/fd`. On other platforms Node offers no
 * equivalent, so the walked path is used: links and `..` are refused as well, but races are not.
 */

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const stepFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK;
const maxLinks = 40;
const byDescriptor = process.platform === "linux";

/** Holds a folder inside a root open. */
export class FolderHandle implements AsyncDisposable {
  readonly handle: FileHandle;
  /**
   * Holds the path under which the folder was found, for messages and for platforms that cannot
   * enter a folder by its descriptor.
   */
  readonly #location: string;

  constructor(handle: FileHandle, location: string) {
    this.handle = handle;
    this.#location = location;
  }

  /** Returns a path to an entry of this very folder, even if the folder has been moved. */
  getEntryPath(name: string): string {
    return byDescriptor ? `/proc/self/fd/${this.handle.fd}/${name}` : join(this.#location, name);
  }

  /** Returns the path of an entry whose name may not be UTF-8. */
  getRawEntryPath(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.getEntryPath(".")}/`), name]);
  }

  /** Opens a subfolder; never follows a link. */
  async openFolder(name: string | Buffer): Promise<FolderHandle> {
    const path = typeof name === "string" ? this.getEntryPath(name) : this.getRawEntryPath(name);
    return new FolderHandle(await open(path, stepFlags), join(this.#location, name.toString()));
  }

  /** Returns the folder's path on this machine with all links resolved. */
  async getRealPath(): Promise<string> {
    return byDescriptor ? await readlink(`/proc/self/fd/${this.handle.fd}`) : this.#location;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }
}

/**
 * Combines a held folder and a name in it; the name is empty if the path leads to the folder
 * itself.
 */
export interface EntryHandle extends AsyncDisposable {
  readonly folder: FolderHandle;
  readonly name: string;
  /** Returns the entry's stats without following a link, or undefined if the entry is missing. */
  stat(): Promise<Stats | undefined>;
}

/**
 * A walk starts from a folder that is trusted to stay in place, or from a folder that is held
 * already.
 */
export type RootFolder = string | FolderHandle;

export interface WalkOptions {
  /** Creates missing folders on the way. */
  create?: boolean | undefined;
  /**
   * Selects the links to follow: all; all but a link at the path's end; none, so that a link on the
   * way is `path_outside`.
   */
  links?: "follow" | "keep-last" | "refuse" | undefined;
}

/** Opens and holds the folder of a path's last name. The entry of that name may be missing. */
export async function openEntry(root: RootFolder, path: string, options: WalkOptions = {}): Promise<EntryHandle> {
  try {
    const walk = await PathWalk.create(root, path, options);
    const { folder, name } = await walk.toEntry();
    return {
      folder,
      name,
      stat: () =>
        (name === "" ? folder.handle.stat() : lstat(folder.getEntryPath(name))).catch(ignoreSystemErrors("ENOENT")),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  } catch (error) {
    throw toFileError(error, path);
  }
}

/** Opens and holds a folder inside the root. */
export async function openFolder(root: RootFolder, path: string, options: WalkOptions = {}): Promise<FolderHandle> {
  try {
    const walk = await PathWalk.create(root, path, options);
    return await walk.toFolder();
  } catch (error) {
    throw toFileError(error, path);
  }
}

/** Opens a regular file for reading. */
export async function openFile(root: RootFolder, path: string): Promise<{ file: FileHandle; stats: Stats }> {
  await using entry = await openEntry(root, path);
  if (entry.name === "") throw createNotAFileError(path);
  try {
    return await openRegularFile(entry.folder, entry.name);
  } catch (error) {
    throw toFileError(error, path);
  }
}

/**
 * Opens a regular file of a held folder for reading; never follows a link and never blocks on a
 * pipe.
 */
export async function openRegularFile(folder: FolderHandle, name: string): Promise<{ file: FileHandle; stats: Stats }> {
  const file = await open(folder.getEntryPath(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw createNotAFileError(name);
    return { file, stats };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Returns the real path of an existing entry inside the root, with links resolved. Paths outside
 * the root are `path_outside`.
 */
export async function resolveRootedPath(root: string, path: string): Promise<string> {
  await using entry = await openEntry(root, path);
  if (!(await entry.stat())) throw new WharfError("file_not_found", { path });
  return join(await entry.folder.getRealPath(), entry.name);
}

/**
 * Formats a path for callers: relative to the root, `.` for the root itself. The path need not
 * exist.
 */
export const toShownPath = (root: string, path: string): string => relative(root, resolve(root, path)) || ".";

class PathWalk {
  readonly #root: FolderHandle;
  readonly #rootPaths: readonly string[];
  readonly #requestedPath: string;
  readonly #options: WalkOptions;
  /** Holds the folders on the way, excluding the root. */
  readonly #folders: FolderHandle[] = [];
  /** Holds the names that remain to be walked, the next one last. */
  #pendingNames: string[] = [];
  #links = 0;

  private constructor(root: FolderHandle, rootPaths: readonly string[], requestedPath: string, options: WalkOptions) {
    this.#root = root;
    this.#rootPaths = rootPaths;
    this.#requestedPath = requestedPath;
    this.#options = options;
  }

  static async create(source: RootFolder, path: string, options: WalkOptions): Promise<PathWalk> {
    if (path.includes("\0")) throw new WharfError("path_outside", { path: path.replaceAll("\0", "\uFFFD") });
    const root = typeof source === "string" ? await openRootFolder(source) : await source.openFolder(".");
    try {
      const real = await root.getRealPath();
      const base = typeof source === "string" ? resolve(source) : real;
      const walk = new PathWalk(root, [base, real], path, options);
      // Reject the path before any access, so that callers cannot learn what exists outside the
      // root.
      walk.#pushPath(resolve(base, path));
      return walk;
    } catch (error) {
      await root[Symbol.asyncDispose]();
      throw error;
    }
  }

  async toFolder(): Promise<FolderHandle> {
    return await this.#takeLastFolder(async () => {
      for (let name = this.#pendingNames.pop(); name !== undefined; name = this.#pendingNames.pop())
        await this.#enterName(name);
    });
  }

  async toEntry(): Promise<{ folder: FolderHandle; name: string }> {
    const follow = (this.#options.links ?? "follow") === "follow";
    let last = "";
    const folder = await this.#takeLastFolder(async () => {
      for (let name = this.#pendingNames.pop(); name !== undefined; name = this.#pendingNames.pop()) {
        if (this.#pendingNames.length > 0 || name === "..") {
          await this.#enterName(name);
          continue;
        }
        const target = follow ? await getLinkTarget(this.#currentFolder.getEntryPath(name)) : undefined;
        if (target === undefined) last = name;
        else await this.#followLink(target);
      }
    });
    return { folder, name: last };
  }

  get #currentFolder(): FolderHandle {
    return this.#folders.at(-1) ?? this.#root;
  }

  async #enterName(name: string): Promise<void> {
    if (name === "..") {
      const closedFolder = this.#folders.pop();
      if (!closedFolder) throw this.#createOutsideError();
      await closedFolder[Symbol.asyncDispose]();
      return;
    }
    for (let wasCreated = false; ; wasCreated = true) {
      try {
        this.#folders.push(await this.#currentFolder.openFolder(name));
        return;
      } catch (error) {
        if (isSystemError(error, "ENOENT") && this.#options.create && !wasCreated) {
          await mkdir(this.#currentFolder.getEntryPath(name)).catch(ignoreSystemErrors("EEXIST"));
          continue;
        }
        if (!isSystemError(error, "ENOTDIR", "ELOOP")) throw error;
        const target = await getLinkTarget(this.#currentFolder.getEntryPath(name));
        if (target === undefined) throw error;
        return await this.#followLink(target);
      }
    }
  }

  async #followLink(target: string): Promise<void> {
    this.#links += 1;
    if (this.#links > maxLinks || this.#options.links === "refuse") throw this.#createOutsideError();
    if (!isAbsolute(target)) return void this.#pendingNames.push(...toPendingNames(target));
    this.#pushPath(resolve(target));
    for (let folder = this.#folders.pop(); folder; folder = this.#folders.pop()) await folder[Symbol.asyncDispose]();
  }

  /** Walks an absolute path from the root before the pending names. */
  #pushPath(path: string): void {
    const base = this.#rootPaths.find((base) => isInside(base, path));
    if (base === undefined) throw this.#createOutsideError();
    this.#pendingNames.push(...toPendingNames(relative(base, path)));
  }

  /** Passes the final folder of the walk to the caller and closes all others. */
  async #takeLastFolder(walk: () => Promise<void>): Promise<FolderHandle> {
    try {
      await walk();
      const last = this.#folders.pop();
      // A held folder may have been moved out of the root meanwhile.
      if (last && !isInside(await this.#root.getRealPath(), await last.getRealPath())) {
        this.#folders.push(last);
        throw this.#createOutsideError();
      }
      await this.#closeFolders(last === undefined);
      return last ?? this.#root;
    } catch (error) {
      await this.#closeFolders();
      throw error;
    }
  }

  async #closeFolders(keepRoot = false): Promise<void> {
    const all = keepRoot ? this.#folders : [this.#root, ...this.#folders];
    for (const folder of all) await folder[Symbol.asyncDispose]();
  }

  #createOutsideError(): WharfError {
    return new WharfError("path_outside", { path: this.#requestedPath });
  }
}

async function openRootFolder(root: string): Promise<FolderHandle> {
  return new FolderHandle(await open(root, O_RDONLY | O_DIRECTORY), byDescriptor ? root : await realpath(root));
}

const toPendingNames = (path: string): string[] =>
  path
    .split(sep)
    .filter((name) => name !== "" && name !== ".")
    .toReversed();

/** Returns a link's target, or undefined if the path is not a link. */
async function getLinkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isSystemError(error, "EINVAL", "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function isInside(root: string, path: string): boolean {
  const relativePath = relative(root, path);
  return (
    relativePath === "" || (relativePath !== ".." && !relativePath.startsWith(`..${sep}`) && !isAbsolute(relativePath))
  );
}
