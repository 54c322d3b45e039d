import { mkdir, symlink, unlink } from "node:fs/promises";
import { type ArchiveUnpacked, WharfError } from "@wharf/contract";
import { readTar, type TarEntry, type TarItem } from "@wharf/contract/tar";
import { createAlreadyExistsError, toFileError } from "../file-system/file-errors.ts";
import { isSystemError } from "../file-system/files.ts";
import { readChunks } from "../file-system/read-bounded.ts";
import { replaceRootedFile } from "../file-system/replace-rooted-file.ts";
import { openEntry, openFolder, openRegularFile, type FolderHandle } from "../file-system/rooted-path.ts";
import { createTooLargeError } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { maxWalkDepth } from "./walk.ts";

/** These options apply to every path of an archive. */
const entryOptions = { create: true, links: "refuse" } as const;
const writeOptions = { durable: false, links: "refuse" } as const;

/**
 * Unpacks a tar stream into a folder. Existing entries with the same name are replaced; folders are
 * kept and filled. No entry reaches through a link, from the archive or from anywhere else; owners,
 * set-user bits and devices are ignored. Each file appears as a whole; if the stream breaks off,
 * earlier files remain.
 */
export async function unpackFolder(
  settings: FileSettings,
  path: string,
  { bytes, signal }: { bytes: AsyncIterable<Buffer>; signal: AbortSignal },
): Promise<ArchiveUnpacked> {
  await using root = await openFolder(settings.workspace, path, { create: true });
  const totals: ArchiveUnpacked = { files: 0, folders: 0, links: 0, bytes: 0, skipped: 0 };
  let entries = 0;
  for await (const { entry, content } of readTar(bytes)) {
    signal.throwIfAborted();
    entries += 1;
    totals.bytes += entry.size;
    if (entries > settings.maxArchiveEntries || totals.bytes > settings.maxArchiveBytes)
      throw createTooLargeError(path, settings.maxArchiveBytes);
    if (entry.size > settings.maxFileBytes) throw createTooLargeError(shortenPath(entry.path), settings.maxFileBytes);
    await unpackEntry(root, { entry: { ...entry, path: parseEntryPath(entry.path) }, content }, totals);
  }
  return totals;
}

async function unpackEntry(root: FolderHandle, { entry, content }: TarItem, totals: ArchiveUnpacked): Promise<void> {
  const { path, type } = entry;
  if (type === "other") return void (totals.skipped += 1);
  try {
    if (type === "directory") {
      totals.folders += 1;
      await createFolder(root, path);
    } else if (type === "file") {
      totals.files += 1;
      await writeEntry(root, entry, content);
    } else {
      totals.links += 1;
      await (type === "symlink" ? createLink(root, entry) : copyLinkedFile(root, entry));
    }
  } catch (error) {
    throw toFileError(error, path);
  }
}

async function createFolder(root: FolderHandle, path: string): Promise<void> {
  await using entry = await openEntry(root, path, entryOptions);
  if (entry.name === "") return;
  try {
    await mkdir(entry.folder.getEntryPath(entry.name));
  } catch (error) {
    if (!isSystemError(error, "EEXIST") || !(await entry.stat())?.isDirectory()) throw error;
  }
}

async function writeEntry(root: FolderHandle, entry: TarEntry, content: AsyncIterable<Buffer>): Promise<void> {
  const { path, mode, mtime } = entry;
  await replaceRootedFile(
    { root, path },
    async (file) => {
      for await (const piece of content) await file.writeFile(piece);
      await file.utimes(mtime, mtime);
    },
    { ...writeOptions, mode },
  );
}

async function createLink(root: FolderHandle, { path, target }: TarEntry): Promise<void> {
  await using entry = await openEntry(root, path, entryOptions);
  const existing = await entry.stat();
  if (existing?.isDirectory()) throw createAlreadyExistsError(path);
  if (existing) await unlink(entry.folder.getEntryPath(entry.name));
  await symlink(target, entry.folder.getEntryPath(entry.name));
}

/**
 * Copies the target of a hard link into a separate file: no archive entry may name an otherwise
 * unreachable file.
 */
async function copyLinkedFile(root: FolderHandle, { path, target }: TarEntry): Promise<void> {
  await using source = await openEntry(root, parseEntryPath(target), { links: "refuse" });
  const { file, stats } = await openRegularFile(source.folder, source.name);
  await using _ = file;
  await replaceRootedFile(
    { root, path },
    async (copy) => {
      for await (const piece of readChunks(file)) await copy.writeFile(piece);
      await copy.utimes(stats.atime, stats.mtime);
    },
    { ...writeOptions, mode: stats.mode & 0o777 },
  );
}

/**
 * Parses an entry's path to names joined by `/`; a path that leads outside is refused completely.
 */
function parseEntryPath(path: string): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (path.startsWith("/") || names.includes("..")) throw new WharfError("path_outside", { path: shortenPath(path) });
  if (names.length > maxWalkDepth)
    throw new WharfError("bad_request", { issues: [{ path: shortenPath(path), message: "has too many levels" }] });
  return names.join("/");
}

const shortenPath = (path: string): string => (path.length > 200 ? `${path.slice(0, 200)}…` : path);
