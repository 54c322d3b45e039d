import type { Stats } from "node:fs";
import { lstat, readlink, type FileHandle } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { blockBytes, packHeader, createPadding } from "@wharf/contract/tar";
import { isSystemError } from "../file-system/files.ts";
import { readChunks, readBytes } from "../file-system/read-bounded.ts";
import { openRegularFile, type FolderHandle } from "../file-system/rooted-path.ts";
import { createTooLargeError } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { openTree } from "./tree.ts";
import type { TreeEntry } from "./walk.ts";

const entriesPerBatch = 16; // each batch is read together
const smallFileBytes = 64 * 1024; // smaller files are read at once

interface PackTotals {
  entries: number;
  bytes: number;
}

/**
 * Packs a folder as a tar stream with relative paths. Links are packed as links. Entries that
 * disappear meanwhile are left out, and so are devices and other special files. The folder is open
 * when the promise resolves.
 */
export async function packFolder(
  settings: FileSettings,
  { path, gitignore }: { path: string; gitignore: boolean },
  signal: AbortSignal,
): Promise<AsyncGenerator<Buffer, void, undefined>> {
  const tree = await openTree(settings.workspace, { path, gitignore, signal });
  return (async function* () {
    await using _ = tree;
    const pathStart = tree.path === "" ? 0 : tree.path.length + 1;
    const totals: PackTotals = { entries: 0, bytes: 0 };
    for await (const { folder, entries, cut } of tree.readFolders()) {
      if (cut)
        throw new WharfError("bad_request", { issues: [{ path, message: "has too many levels or entries to pack" }] });
      for (let offset = 0; offset < entries.length; offset += entriesPerBatch) {
        signal.throwIfAborted();
        const batch = entries.slice(offset, offset + entriesPerBatch);
        const blocks = batch.map((entry) => packSmallEntry(folder, entry, entry.path.slice(pathStart)));
        for (const [index, block] of (await Promise.all(blocks)).entries()) {
          const entry = batch[index];
          if (block === "large" && entry)
            yield* packLargeFile(folder, entry, { path: entry.path.slice(pathStart), totals });
          else if (block && block !== "large") yield block;
          if (block !== "large") totals.bytes += block?.length ?? 0;
        }
        totals.entries += batch.length;
        if (totals.entries > settings.maxArchiveEntries || totals.bytes > settings.maxArchiveBytes)
          throw createTooLargeError(path, settings.maxArchiveBytes);
      }
    }
    yield Buffer.alloc(2 * blockBytes);
  })();
}

/**
 * Packs all blocks of an entry that is not a large file; undefined if the entry disappeared or
 * cannot be packed.
 */
async function packSmallEntry(
  folder: FolderHandle,
  { name, type }: TreeEntry,
  path: string,
): Promise<Buffer | "large" | undefined> {
  try {
    if (type === "other") return undefined;
    if (type !== "file") {
      const stats = await lstat(folder.getEntryPath(name));
      const target = type === "symlink" ? await readlink(folder.getEntryPath(name)) : "";
      return packHeader({ path, type, ...toHeaderFields(stats), size: 0, target });
    }
    const { file, stats } = await openRegularFile(folder, name);
    await using _ = file;
    if (stats.size > smallFileBytes) return "large";
    const bytes = await readBytes(file, 0, stats.size);
    const header = packHeader({ path, type, ...toHeaderFields(stats), size: bytes.length, target: "" });
    return Buffer.concat([header, bytes, createPadding(bytes.length)]);
  } catch (error) {
    return ignoreVanished(error);
  }
}

async function* packLargeFile(
  folder: FolderHandle,
  { name }: TreeEntry,
  { path, totals }: { path: string; totals: PackTotals },
): AsyncGenerator<Buffer, void, undefined> {
  const opened = await openRegularFile(folder, name).catch(ignoreVanished);
  if (!opened) return;
  await using file = opened.file;
  const { size } = opened.stats;
  totals.bytes += size;
  yield packHeader({ path, type: "file", ...toHeaderFields(opened.stats), size, target: "" });
  yield* readContent(file, size);
}

/** Yields exactly the number of bytes in the header: a file that shrank is padded with zeros. */
async function* readContent(file: FileHandle, size: number): AsyncGenerator<Buffer, void, undefined> {
  let remainingBytes = size;
  for await (const piece of readChunks(file, 0, size)) {
    remainingBytes -= piece.length;
    // The reader of the stream may still hold the piece during the next read.
    yield Buffer.from(piece);
  }
  for (; remainingBytes > 0; remainingBytes -= Math.min(remainingBytes, 65_536))
    yield Buffer.alloc(Math.min(remainingBytes, 65_536));
  if (size % blockBytes !== 0) yield createPadding(size);
}

const toHeaderFields = ({ mode, mtimeMs }: Stats) => ({ mode: mode & 0o777, mtime: mtimeMs / 1000 });

function ignoreVanished(error: unknown): undefined {
  const hasChanged = error instanceof WharfError && error.code === "bad_request";
  if (!hasChanged && !isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "EINVAL", "EACCES", "EPERM")) throw error;
}
