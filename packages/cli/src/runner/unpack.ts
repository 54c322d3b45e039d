import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open, rename, rm, symlink } from "node:fs/promises";
import { readTar, type TarEntry, type TarItem } from "@wharf/contract/tar";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { type HeldFolder, NotAFolderError } from "./held-folder.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

export interface UnpackResult {
  bytes: number;
  files: number;
  /** Lists the omitted paths: devices, hard links, and links that lead out of the folder. */
  readonly skipped: string[];
}

/** Limits how many omitted paths are kept for display. */
const maxSkippedPaths = 20;

/**
 * Unpacks a runner's archive into a local folder. The runner may be hostile: nothing is written
 * through any link, and no link that leads out of the folder is created. Files belong to the caller
 * and keep only their permissions: no set-user bits, no owner, no devices. Files appear atomically;
 * an existing file or link of the same name is replaced.
 */
export async function unpackArchive(root: HeldFolder, pieces: AsyncIterable<Buffer>): Promise<UnpackResult> {
  const result: UnpackResult = { bytes: 0, files: 0, skipped: [] };
  for await (const item of readTar(pieces)) {
    const names = parsePath(item.entry.path);
    if (names.length === 0) continue;
    try {
      if (!(await unpackEntry(root, names, item))) result.skipped.push(toSingleLine(item.entry.path));
      else if (item.entry.type === "file") result.files++;
    } catch (error) {
      if (!(error instanceof NotAFolderError)) throw error;
      throw createArchiveError(
        item.entry.path,
        "a local file or link is in the way, and Wharf does not write through links",
      );
    }
    result.bytes += item.entry.size;
    result.skipped.splice(maxSkippedPaths);
  }
  return result;
}

const createArchiveError = (path: string, reason: string) =>
  createUsageError(`the runner's archive contains '${toSingleLine(path, 200)}': ${reason}`);

/**
 * Splits a path into names; a path that leads out of the folder aborts the whole copy, because no
 * honest daemon sends it.
 */
function parsePath(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (path.startsWith("/") || names.includes("..") || path.includes("\0"))
    throw createArchiveError(path, "it is outside the copied folder");
  return names;
}

/** Returns whether the entry was unpacked. */
async function unpackEntry(root: HeldFolder, names: readonly string[], { entry, content }: TarItem): Promise<boolean> {
  if (entry.type === "other" || entry.type === "hardlink") return false;
  if (entry.type === "symlink" && !isInside(entry.target, names.length - 1)) return false;
  const isFolder = entry.type === "directory";
  await using path = new HeldPath();
  const parents = isFolder ? names : names.slice(0, -1);
  for (const [index, name] of parents.entries())
    await path.enter(root, name, isFolder && index === parents.length - 1 ? entry.mode | 0o700 : undefined);
  if (isFolder) return true;
  const folder = path.last ?? root;
  const name = names.at(-1) ?? "";
  const existing = await lstat(folder.getPath(name)).catch(() => undefined);
  if (existing && !existing.isFile() && !existing.isSymbolicLink())
    throw createArchiveError(entry.path, "the local entry of that name is neither a file nor a link");
  await placeEntry(folder, name, { entry, content });
  return true;
}

/** Walks the folders of a path; only the last folder stays open. */
class HeldPath implements AsyncDisposable {
  last: HeldFolder | undefined;

  async enter(root: HeldFolder, name: string, mode: number | undefined): Promise<void> {
    const next = await (this.last ?? root).enter(name, mode);
    await this[Symbol.asyncDispose]();
    this.last = next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.last?.[Symbol.asyncDispose]();
  }
}

/** Creates the file or the link under a temporary name, then renames it. */
async function placeEntry(folder: HeldFolder, name: string, { entry, content }: TarItem): Promise<void> {
  const temporaryPath = folder.getPath(`.wharf-${randomUUID().slice(0, 8)}`);
  try {
    if (entry.type === "symlink") await symlink(entry.target, temporaryPath);
    else await createFile(temporaryPath, entry, content);
    await rename(temporaryPath, folder.getPath(name));
  } finally {
    await rm(temporaryPath, { force: true });
  }
}

async function createFile(path: string, { mode, mtime }: TarEntry, content: AsyncIterable<Buffer>): Promise<void> {
  const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for await (const piece of content) await file.writeFile(piece);
    await file.chmod(mode & 0o777 & ~process.umask());
    await file.utimes(mtime, mtime);
  } finally {
    await file.close();
  }
}

/**
 * Returns whether a link's target is inside the copied folder. The link is `depth` real folders
 * deep: it may climb that many, and then go down by names. A `..` behind a name could climb further
 * than it seems, if the name is a link.
 */
function isInside(target: string, depth: number): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
  const names = target.split("/").filter((name) => name !== "" && name !== ".");
  const climbs = names.findIndex((name) => name !== "..");
  const climbCount = climbs < 0 ? names.length : climbs;
  return climbCount <= depth && !names.slice(climbCount).includes("..");
}
