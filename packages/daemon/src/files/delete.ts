import type { Dirent } from "node:fs";
import { opendir, rmdir, unlink } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { toFileError } from "../file-system/file-errors.ts";
import { ignoreSystemErrors } from "../file-system/files.ts";
import { openEntry, toShownPath, type FolderHandle } from "../file-system/rooted-path.ts";
import { requireVersion } from "./etag.ts";
import { createPathError } from "./move.ts";

const maxDepth = 256; // folders; each stays open while its content is removed
const entriesPerBatch = 32;
const maxRounds = 4;

interface DeleteInput {
  path: string;
  recursive: boolean;
  missing_ok: boolean;
  if_match?: string | undefined;
}

/**
 * Removes a file, a link, an empty folder, or a folder with its content. Links are removed, never
 * followed.
 */
export async function deletePath(
  workspace: string,
  { path, recursive, missing_ok, if_match }: DeleteInput,
  signal: AbortSignal,
): Promise<{ path: string; deleted: number }> {
  const createResult = (deleted: number) => ({ path: toShownPath(workspace, path), deleted });
  try {
    await using entry = await openEntry(workspace, path, { links: "keep-last" });
    if (entry.name === "") throw createPathError(path, "is the workspace itself");
    const stats = await entry.stat();
    if (!stats) throw new WharfError("file_not_found", { path });
    requireVersion(path, if_match, stats);
    const { folder, name } = entry;
    if (!stats.isDirectory()) {
      await unlink(folder.getEntryPath(name));
      return createResult(1);
    }
    const nestedCount = recursive ? await clearFolder(folder, name, { path, depth: 1, signal }) : 0;
    await rmdir(folder.getEntryPath(name));
    return createResult(nestedCount + 1);
  } catch (error) {
    const failure = toFileError(error, path);
    if (missing_ok && failure instanceof WharfError && failure.code === "file_not_found") return createResult(0);
    throw failure;
  }
}

/**
 * Empties a folder and keeps it open meanwhile, so that it cannot be replaced by a link. Entries
 * added meanwhile are removed too, for a few rounds.
 */
async function clearFolder(
  parent: FolderHandle,
  name: string | Buffer,
  options: { path: string; depth: number; signal: AbortSignal },
): Promise<number> {
  const { path, depth, signal } = options;
  if (depth > maxDepth) throw createPathError(path, `is deeper than ${maxDepth} folders`);
  await using folder = await parent.openFolder(name);
  let deleted = 0;
  for (let round = 0, previousCount = -1; round < maxRounds && deleted !== previousCount; round++) {
    previousCount = deleted;
    for await (const entries of readEntryBatches(folder)) {
      signal.throwIfAborted();
      const files = entries.filter((entry) => !entry.isDirectory());
      await Promise.all(
        files.map((entry) => unlink(folder.getRawEntryPath(toBytes(entry))).catch(ignoreSystemErrors("ENOENT"))),
      );
      for (const entry of entries) {
        if (!entry.isDirectory()) continue;
        deleted += await clearFolder(folder, toBytes(entry), { path, depth: depth + 1, signal });
        await rmdir(folder.getRawEntryPath(toBytes(entry))).catch(ignoreSystemErrors("ENOENT"));
      }
      deleted += entries.length;
    }
  }
  return deleted;
}

/** Names are bytes, which need not be UTF-8: each character of `latin1` is one byte. */
const nameEncoding = "latin1";
const toBytes = ({ name }: Dirent): Buffer => Buffer.from(name, nameEncoding);

async function* readEntryBatches(folder: FolderHandle): AsyncGenerator<Dirent[]> {
  let entries: Dirent[] = [];
  for await (const entry of await opendir(folder.getEntryPath("."), { bufferSize: 256, encoding: nameEncoding })) {
    if (entries.push(entry) < entriesPerBatch) continue;
    yield entries;
    entries = [];
  }
  if (entries.length > 0) yield entries;
}
