import { constants, type Stats } from "node:fs";
import { link, open, rename, unlink, type FileHandle } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { holdEntry, type HeldEntry, type HoldOptions, type Root } from "./beneath.ts";
import { alreadyThere, fileError, notAFile } from "./file-errors.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import { takeTemporaryName } from "./temporary.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** No write of this process comes between another's look at the old file and its taking that one's place. */
const finishing = new OneAtATime();

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
  links?: HoldOptions["links"];
  /** The file that was read: another one, or a changed one, in its place is a conflict. */
  unchanged?: Stats | undefined;
}

export interface Replaced {
  stats: Stats;
  created: boolean;
}

/**
 * Writes a file beneath the root as a whole: whoever reads it, whatever happens, finds the old or the new content. The
 * content is written into a new file, so other names of the old one (hard links) keep what they had.
 */
export async function replaceBeneath(
  { root, path }: { root: Root; path: string },
  fill: (file: FileHandle) => Promise<void>,
  options: ReplaceOptions = {},
): Promise<Replaced> {
  const { createParents: create = true, links } = options;
  await using entry = await holdEntry(root, path, { create, links });
  if (entry.name === "") throw notAFile(path);
  try {
    return await replaceEntry(entry, path, { fill, options });
  } catch (error) {
    throw fileError(error, path);
  }
}

async function replaceEntry(
  entry: HeldEntry,
  path: string,
  { fill, options }: { fill: (file: FileHandle) => Promise<void>; options: ReplaceOptions },
): Promise<Replaced> {
  const { overwrite = true, durable = true, unchanged, mode } = options;
  const { folder, name } = entry;
  const before = await entry.stat();
  if (before && !overwrite) throw alreadyThere(path);
  const replacedLink = options.links !== undefined && options.links !== "follow" && before?.isSymbolicLink();
  if (before && !before.isFile() && !replacedLink) throw notAFile(path);
  const keptMode = mode ?? (before?.isFile() ? before.mode & 0o777 : undefined);
  using temporaryName = takeTemporaryName();
  const temporary = folder.at(temporaryName.name);
  const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, keptMode ?? 0o666);
  try {
    // Creating a file subtracts the process's mask.
    if (keptMode !== undefined) await file.chmod(keptMode);
    await fill(file);
    if (durable) await file.sync();
    const { dev, ino } = await folder.handle.stat();
    await finishing.run(`${dev}:${ino}/${name}`, async () => {
      if (unchanged && !isSame(unchanged, await entry.stat())) throw changedMeanwhile(path);
      if (overwrite) await rename(temporary, folder.at(name));
      else await link(temporary, folder.at(name));
    });
    if (durable) await folder.handle.sync();
    return { stats: await file.stat(), created: before === undefined };
  } finally {
    await file.close();
    // After a rename there is nothing left to remove.
    await unlink(temporary).catch(() => undefined);
  }
}

/** Whether a file is the one that was read, as it was then. */
const isSame = (read: Stats, now: Stats | undefined): boolean =>
  now !== undefined &&
  read.ino === now.ino &&
  read.dev === now.dev &&
  read.size === now.size &&
  read.mtimeMs === now.mtimeMs &&
  read.ctimeMs === now.ctimeMs;

const changedMeanwhile = (path: string): WharfError =>
  new WharfError("conflict", { what: `file '${path}'`, from: "changed by someone else", to: "what was asked for" });
