import { mkdir, symlink, unlink } from "node:fs/promises";
import { type ArchiveUnpacked, WharfError } from "@wharf/contract";
import { readTar, type TarEntry, type TarItem } from "@wharf/contract/tar";
import { holdEntry, holdFolder, openRegular, type HeldFolder } from "../support/beneath.ts";
import { alreadyThere, fileError } from "../support/file-errors.ts";
import { isSystemError } from "../support/files.ts";
import { piecesOf } from "../support/read-bounded.ts";
import { replaceBeneath } from "../support/replace-beneath.ts";
import { tooLarge } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { DEEPEST } from "./walk.ts";

/** For every path of an archive. */
const strictly = { create: true, links: "refuse" } as const;
const written = { durable: false, links: "refuse" } as const;

/**
 * Unpacks a tar stream into a folder. What is there with the same name is replaced, folders are kept and filled. No
 * entry reaches through a link, whether the archive or somebody else put it there; owners, set-user bits and devices are
 * not taken over. Each file appears as a whole; when the stream breaks off, those before are there.
 */
export async function unpackFolder(
  settings: FileSettings,
  path: string,
  { bytes, signal }: { bytes: AsyncIterable<Buffer>; signal: AbortSignal },
): Promise<ArchiveUnpacked> {
  await using root = await holdFolder(settings.workspace, path, { create: true });
  const done: ArchiveUnpacked = { files: 0, folders: 0, links: 0, bytes: 0, skipped: 0 };
  let entries = 0;
  for await (const { entry, content } of readTar(bytes)) {
    signal.throwIfAborted();
    entries += 1;
    done.bytes += entry.size;
    if (entries > settings.maxArchiveEntries || done.bytes > settings.maxArchiveBytes)
      throw tooLarge(path, settings.maxArchiveBytes);
    if (entry.size > settings.maxFileBytes) throw tooLarge(shortened(entry.path), settings.maxFileBytes);
    await unpackEntry(root, { entry: { ...entry, path: cleaned(entry.path) }, content }, done);
  }
  return done;
}

async function unpackEntry(root: HeldFolder, { entry, content }: TarItem, done: ArchiveUnpacked): Promise<void> {
  const { path, type } = entry;
  if (type === "other") return void (done.skipped += 1);
  try {
    if (type === "directory") {
      done.folders += 1;
      await makeFolder(root, path);
    } else if (type === "file") {
      done.files += 1;
      await writeEntry(root, entry, content);
    } else {
      done.links += 1;
      await (type === "symlink" ? makeLink(root, entry) : copyOfLinked(root, entry));
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

async function makeFolder(root: HeldFolder, path: string): Promise<void> {
  await using entry = await holdEntry(root, path, strictly);
  if (entry.name === "") return;
  try {
    await mkdir(entry.folder.at(entry.name));
  } catch (error) {
    if (!isSystemError(error, "EEXIST") || !(await entry.stat())?.isDirectory()) throw error;
  }
}

async function writeEntry(root: HeldFolder, entry: TarEntry, content: AsyncIterable<Buffer>): Promise<void> {
  const { path, mode, mtime } = entry;
  await replaceBeneath(
    { root, path },
    async (file) => {
      for await (const piece of content) await file.writeFile(piece);
      await file.utimes(mtime, mtime);
    },
    { ...written, mode },
  );
}

async function makeLink(root: HeldFolder, { path, target }: TarEntry): Promise<void> {
  await using entry = await holdEntry(root, path, strictly);
  const before = await entry.stat();
  if (before?.isDirectory()) throw alreadyThere(path, "folder");
  if (before) await unlink(entry.folder.at(entry.name));
  await symlink(target, entry.folder.at(entry.name));
}

/** A second name of a file becomes a file of its own: nobody gets a name of a file that he could not reach. */
async function copyOfLinked(root: HeldFolder, { path, target }: TarEntry): Promise<void> {
  await using from = await holdEntry(root, cleaned(target), { links: "refuse" });
  const { file, stats } = await openRegular(from.folder, from.name);
  await using _ = file;
  await replaceBeneath(
    { root, path },
    async (copy) => {
      for await (const piece of piecesOf(file)) await copy.writeFile(piece);
      await copy.utimes(stats.atime, stats.mtime);
    },
    { ...written, mode: stats.mode & 0o777 },
  );
}

/** An entry's path as names joined by `/`; one that would lead out is refused as a whole. */
function cleaned(path: string): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (path.startsWith("/") || names.includes("..")) throw new WharfError("path_outside", { path: shortened(path) });
  if (names.length > DEEPEST)
    throw new WharfError("bad_request", { issues: [{ path: shortened(path), message: "lies too deep" }] });
  return names.join("/");
}

const shortened = (path: string): string => (path.length > 200 ? `${path.slice(0, 200)}…` : path);
