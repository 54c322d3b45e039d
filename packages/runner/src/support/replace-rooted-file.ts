import { constants, type Stats } from "node:fs";
import { link, open, rename, unlink, type FileHandle } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { openEntry, type EntryHandle, type WalkOptions, type RootFolder } from "./rooted-path.ts";
import { createAlreadyExistsError, toFileError, createNotAFileError } from "./file-errors.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { createTemporaryName } from "./temporary-name.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** No write of this process comes between another's look at the old file and its taking that one's place. */
const replaceQueue = new KeyedQueue();

export interface ReplaceOptions {
  /** Makes missing folders on the way. */
  createParents?: boolean | undefined;
  /** Without it, a file that is there is a conflict. */
  overwrite?: boolean | undefined;
  /** Permission bits; those of the file that is replaced where none are given. */
  mode?: number | undefined;
  /** Whether it must survive a loss of power. */
  durable?: boolean | undefined;
  /** As for any path; a link at the path's end that is not followed is replaced. */
  links?: WalkOptions["links"];
  /** The file that was read: another one, or a changed one, in its place is a conflict. */
  unchanged?: Stats | undefined;
}

export interface ReplaceResult {
  stats: Stats;
  created: boolean;
}

/**
 * Writes a file beneath the root as a whole: whoever reads it, whatever happens, finds the old or the new content. The
 * content is written into a new file, so other names of the old one (hard links) keep what they had.
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
  const { overwrite = true, durable = true, unchanged, mode } = options;
  const { folder, name } = entry;
  const previousStats = await entry.stat();
  if (previousStats && !overwrite) throw createAlreadyExistsError(path);
  const replacedLink = options.links !== undefined && options.links !== "follow" && previousStats?.isSymbolicLink();
  if (previousStats && !previousStats.isFile() && !replacedLink) throw createNotAFileError(path);
  const fileMode = mode ?? (previousStats?.isFile() ? previousStats.mode & 0o777 : undefined);
  using temporaryName = createTemporaryName();
  const temporary = folder.getEntryPath(temporaryName.name);
  const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, fileMode ?? 0o666);
  try {
    // Creating a file subtracts the process's mask.
    if (fileMode !== undefined) await file.chmod(fileMode);
    await fill(file);
    if (durable) await file.sync();
    const { dev, ino } = await folder.handle.stat();
    await replaceQueue.run(`${dev}:${ino}/${name}`, async () => {
      if (unchanged && !isSame(unchanged, await entry.stat())) throw createChangedError(path);
      if (overwrite) await rename(temporary, folder.getEntryPath(name));
      else await link(temporary, folder.getEntryPath(name));
    });
    if (durable) await folder.handle.sync();
    return { stats: await file.stat(), created: previousStats === undefined };
  } finally {
    await file.close();
    // After a rename there is nothing left to remove.
    await unlink(temporary).catch(() => undefined);
  }
}

/** Whether a file is the one that was read, as it was then. */
const isSame = (read: Stats, current: Stats | undefined): boolean =>
  current !== undefined &&
  read.ino === current.ino &&
  read.dev === current.dev &&
  read.size === current.size &&
  read.mtimeMs === current.mtimeMs &&
  read.ctimeMs === current.ctimeMs;

const createChangedError = (path: string): WharfError =>
  new WharfError("conflict", { what: `file '${path}'`, from: "changed by someone else", to: "what was asked for" });
