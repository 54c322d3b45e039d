import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, readlink, realpath, rename, unlink } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "../support/files.ts";

/** The largest file that is read or written here. */
const maxFileBytes = 50 * 1024 * 1024;

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/**
 * Files beneath one folder, for a client that is not trusted with any other. A path is resolved with all its symbolic
 * links before it is used, and what is used is held open: the folder is entered by its descriptor, so exchanging a
 * folder for a link between the check and the use gains nothing.
 */
export class ConfinedFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  /** Text of a file; undefined where there is none. */
  async read(path: string): Promise<string | undefined> {
    const target = await this.#resolveFile(path);
    try {
      await using parent = await this.#enter(dirname(target), path);
      await using file = await open(parent.at(basename(target)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      const stat = await file.stat();
      if (!stat.isFile()) throw notAFile(path);
      if (stat.size > maxFileBytes) throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
      return await file.readFile("utf8");
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return undefined;
      throw linkAsOutside(error, path);
    }
  }

  /** Writes a whole file so that a reader sees the old or the new one. Its mode is kept, missing folders are made. */
  async write(path: string, content: string): Promise<void> {
    if (Buffer.byteLength(content) > maxFileBytes)
      throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
    const target = await this.#resolveFile(path);
    await mkdir(dirname(target), { recursive: true });
    await using parent = await this.#enter(dirname(target), path);
    const mode = await modeOf(parent.at(basename(target)));
    const temporary = parent.at(`.wharf-${randomBytes(8).toString("hex")}`);
    try {
      await using file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode ?? 0o666);
      if (mode !== undefined) await file.chmod(mode);
      await file.writeFile(content);
      await rename(temporary, parent.at(basename(target)));
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
  }

  /** The real path of a folder beneath the root. */
  async folder(path: string): Promise<string> {
    const target = await this.#resolve(path);
    await using _ = await this.#enter(target, path);
    return target;
  }

  async #resolveFile(path: string): Promise<string> {
    const target = await this.#resolve(path);
    if (target === (await realpath(this.#root))) throw notAFile(path);
    return target;
  }

  /** Where a path leads, all links followed; refused where that is not beneath the root. What is missing stays missing. */
  async #resolve(path: string): Promise<string> {
    if (path.includes("\0")) throw new WharfError("path_outside", { path: path.replaceAll("\0", "\uFFFD") });
    const root = await realpath(this.#root);
    const asked = resolve(this.#root, path);
    if (!isBeneath(this.#root, asked) && !isBeneath(root, asked)) throw new WharfError("path_outside", { path });
    const missing: string[] = [];
    for (let at = asked; ; at = dirname(at)) {
      const real = await realpath(at).catch((error: unknown) => {
        if (isSystemError(error, "ENOENT")) return undefined;
        throw linkAsOutside(error, path);
      });
      if (real !== undefined) {
        if (!isBeneath(root, real)) throw new WharfError("path_outside", { path });
        return join(real, ...missing);
      }
      // A link to nowhere: who writes there decides later where it leads.
      if (await isLink(at)) throw new WharfError("path_outside", { path });
      missing.unshift(basename(at));
    }
  }

  /** Holds a folder open and gives paths within it that no exchange of its parents can redirect. */
  async #enter(folder: string, path: string): Promise<AsyncDisposable & { at(name: string): string }> {
    const handle = await open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch((error: unknown) => {
      throw linkAsOutside(error, path);
    });
    try {
      const held = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : folder;
      const real = process.platform === "linux" ? await readlink(held) : await realpath(folder);
      if (!isBeneath(await realpath(this.#root), real)) throw new WharfError("path_outside", { path });
      return { at: (name) => join(held, name), [Symbol.asyncDispose]: () => handle.close() };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
}

const notAFile = (path: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path, message: "is not a regular file" }] });

function isBeneath(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

async function modeOf(path: string): Promise<number | undefined> {
  const stat = await lstat(path).catch(() => undefined);
  return stat?.isFile() ? stat.mode & 0o777 : undefined;
}

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true;
}

/** A link that appears where none was a moment ago, or one that leads to itself. */
const linkAsOutside = (error: unknown, path: string): unknown =>
  isSystemError(error, "ELOOP") ? new WharfError("path_outside", { path }, { cause: error }) : error;
