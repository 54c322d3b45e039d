import { constants, type Stats } from "node:fs";
import { link, open, rename, unlink, type FileHandle } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { KeyedQueue } from "../std/keyed-queue.ts";
import { createAlreadyExistsError, toFileError, createNotAFileError } from "./file-errors.ts";
import { openEntry, type EntryHandle, type WalkOptions, type RootFolder } from "./rooted-path.ts";
import { createTemporaryName } from "./temporary-name.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * The queue keeps other writes of this process from running between a check of the old file and its
 * replacement.
 */
const replaceQueue = new KeyedQueue();

export interface ReplaceOptions {
  /** Creates missing parent folders. */
  createParents?: boolean | undefined;
  /** Without this option, an existing file is `file_already_exists`. */
  overwrite?: boolean | undefined;
  /** Sets permission bits; the default is those of the replaced file. */
  mode?: number | undefined;
  /** Makes the file survive a power failure. */
  durable?: boolean | undefined;
  /** Handles links like any walk; a link at the path's end that is not followed is replaced. */
  links?: WalkOptions["links"];
  /** Expects this file, as it was read. A different or changed file is `file_changed`. */
  unchanged?: Stats | undefined;
  /** Throws to refuse the replacement of the current file; called immediately before it. */
  check?: ((current: Stats | undefined) => void) | undefined;
}

export interface ReplaceResult {
  stats: Stats;
  created: boolean;
}

/**
 * Writes a file inside the root atomically: readers always find the old or the new content, even
 * after a crash. The content goes into a new file, so other names of the old file (hard links) keep
 * its content.
 */
export async function replaceRootedFile(
  { root, path }: { root: RootFolder; path: string },
  fill: (file: FileHandle) => Promise<void>,
  options: ReplaceOptions = {},
): Promise<ReplaceResult> {
  const { createParents: create = true, links } = options;
  await using entry = await openEntry(root, path, { create, links });
  if (entry.name === "") throw createNotAFileError(path);
  try {
    return await replaceEntry(entry, path, { fill, options });
  } catch (error) {
    throw toFileError(error, path);
  }
}

async function replaceEntry(
  entry: EntryHandle,
  path: string,
  { fill, options }: { fill: (file: FileHandle) => Promise<void>; options: ReplaceOptions },
): Promise<ReplaceResult> {
  const { overwrite = true, durable = true, unchanged, check, mode } = options;
  const { folder, name } = entry;
  const previousStats = await entry.stat();
  if (previousStats && !overwrite) throw createAlreadyExistsError(path);
  check?.(previousStats);
  const replacedLink = options.links !== undefined && options.links !== "follow" && previousStats?.isSymbolicLink();
  if (previousStats && !previousStats.isFile() && !replacedLink) throw createNotAFileError(path);
  const fileMode = mode ?? (previousStats?.isFile() ? previousStats.mode & 0o777 : undefined);
  using temporaryName = createTemporaryName();
  const temporary = folder.getEntryPath(temporaryName.name);
  const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, fileMode ?? 0o666);
  try {
    // The process's umask reduces the mode of a new file, so set it again.
    if (fileMode !== undefined) await file.chmod(fileMode);
    await fill(file);
    if (durable) await file.sync();
    const { dev, ino } = await folder.handle.stat();
    await replaceQueue.run(`${dev}:${ino}/${name}`, async () => {
      if (unchanged && !isSame(unchanged, await entry.stat())) throw createChangedError(path);
      if (check) check(await entry.stat());
      if (overwrite) await rename(temporary, folder.getEntryPath(name));
      else {
        await link(temporary, folder.getEntryPath(name));
        // Removing a name changes the file's stats, which the caller gets.
        await unlink(temporary);
      }
    });
    if (durable) await folder.handle.sync();
    return { stats: await file.stat(), created: previousStats === undefined };
  } finally {
    await file.close();
    // After a rename there is nothing left to remove.
    await unlink(temporary).catch(() => undefined);
  }
}

/** Returns whether a file is still the unchanged file that was read. */
const isSame = (read: Stats, current: Stats | undefined): boolean =>
  current !== undefined &&
  read.ino === current.ino &&
  read.dev === current.dev &&
  read.size === current.size &&
  read.mtimeMs === current.mtimeMs &&
  read.ctimeMs === current.ctimeMs;

const createChangedError = (path: string): WharfError => new WharfError("file_changed", { path });
