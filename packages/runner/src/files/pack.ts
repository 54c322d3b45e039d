import { lstat, readlink, type FileHandle } from "node:fs/promises";
import type { Stats } from "node:fs";
import { WharfError } from "@wharf/contract";
import { BLOCK, packHeader, padding } from "@wharf/contract/tar";
import { openRegular, type HeldFolder } from "../support/beneath.ts";
import { isSystemError } from "../support/files.ts";
import { piecesOf, readAt } from "../support/read-bounded.ts";
import { tooLarge } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { openTree } from "./tree.ts";
import type { TreeEntry } from "./walk.ts";

const AT_ONCE = 16; // entries that are read together
const SMALL = 64 * 1024; // bytes of a file that is read at once

interface Packed {
  entries: number;
  bytes: number;
}

/**
 * A folder as a tar stream, paths relative to it. Links are packed as links. What vanishes meanwhile is left out; devices
 * and the like always are. The folder is there when this resolves.
 */
export async function packFolder(
  settings: FileSettings,
  { path, gitignore }: { path: string; gitignore: boolean },
  signal: AbortSignal,
): Promise<AsyncGenerator<Buffer, void, undefined>> {
  const tree = await openTree(settings.workspace, { path, gitignore, signal });
  return (async function* () {
    await using _ = tree;
    const from = tree.path === "" ? 0 : tree.path.length + 1;
    const packed: Packed = { entries: 0, bytes: 0 };
    for await (const { folder, entries, cut } of tree.folders()) {
      if (cut) throw new WharfError("bad_request", { issues: [{ path, message: "is too deep or too full to pack" }] });
      for (let at = 0; at < entries.length; at += AT_ONCE) {
        signal.throwIfAborted();
        const some = entries.slice(at, at + AT_ONCE);
        const blocks = some.map((entry) => packSmall(folder, entry, entry.path.slice(from)));
        for (const [index, block] of (await Promise.all(blocks)).entries()) {
          const entry = some[index];
          if (block === "large" && entry) yield* packLarge(folder, entry, { path: entry.path.slice(from), packed });
          else if (block && block !== "large") yield block;
          if (block !== "large") packed.bytes += block?.length ?? 0;
        }
        packed.entries += some.length;
        if (packed.entries > settings.maxArchiveEntries || packed.bytes > settings.maxArchiveBytes)
          throw tooLarge(path, settings.maxArchiveBytes);
      }
    }
    yield Buffer.alloc(2 * BLOCK);
  })();
}

/** All blocks of an entry that is no large file; nothing where it is gone, or is nothing to be packed. */
async function packSmall(
  folder: HeldFolder,
  { name, type }: TreeEntry,
  path: string,
): Promise<Buffer | "large" | undefined> {
  try {
    if (type === "other") return undefined;
    if (type !== "file") {
      const stats = await lstat(folder.at(name));
      const target = type === "symlink" ? await readlink(folder.at(name)) : "";
      return packHeader({ path, type, ...common(stats), size: 0, target });
    }
    const { file, stats } = await openRegular(folder, name);
    await using _ = file;
    if (stats.size > SMALL) return "large";
    const bytes = await readAt(file, 0, stats.size);
    const header = packHeader({ path, type, ...common(stats), size: bytes.length, target: "" });
    return Buffer.concat([header, bytes, padding(bytes.length)]);
  } catch (error) {
    return unlessGone(error);
  }
}

async function* packLarge(
  folder: HeldFolder,
  { name }: TreeEntry,
  { path, packed }: { path: string; packed: Packed },
): AsyncGenerator<Buffer, void, undefined> {
  const opened = await openRegular(folder, name).catch(unlessGone);
  if (!opened) return;
  await using file = opened.file;
  const { size } = opened.stats;
  packed.bytes += size;
  yield packHeader({ path, type: "file", ...common(opened.stats), size, target: "" });
  yield* contentOf(file, size);
}

/** Exactly as many bytes as the header said: a file that shrank meanwhile is filled up with zeros. */
async function* contentOf(file: FileHandle, size: number): AsyncGenerator<Buffer, void, undefined> {
  let left = size;
  for await (const piece of piecesOf(file, 0, size)) {
    left -= piece.length;
    // The reader of the stream may still hold the piece when the next one is read.
    yield Buffer.from(piece);
  }
  for (; left > 0; left -= Math.min(left, 65_536)) yield Buffer.alloc(Math.min(left, 65_536));
  if (size % BLOCK !== 0) yield padding(size);
}

const common = ({ mode, mtimeMs }: Stats) => ({ mode: mode & 0o777, mtime: mtimeMs / 1000 });

function unlessGone(error: unknown): undefined {
  const changed = error instanceof WharfError && error.code === "bad_request";
  if (!changed && !isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "EINVAL", "EACCES", "EPERM")) throw error;
}
