import type { Dirent, Stats } from "node:fs";
import { readlink } from "node:fs/promises";
import { type FileStats, type FileType, WharfError } from "@wharf/contract";
import { toFileError } from "../file-system/file-errors.ts";
import { openEntry, toShownPath } from "../file-system/rooted-path.ts";
import { getEtag } from "./etag.ts";

/** Returns what is at a path; for a link, the target, unless the link itself is requested. */
export async function getFileStats(workspace: string, input: { path: string; follow: boolean }): Promise<FileStats> {
  const { path, follow } = input;
  await using entry = await openEntry(workspace, path, { links: follow ? "follow" : "keep-last" });
  try {
    const stats = await entry.stat();
    if (!stats) throw new WharfError("file_not_found", { path });
    const entryStats = { path: toShownPath(workspace, path), ...toFileStats(stats) };
    if (entryStats.type === "file") return { ...entryStats, etag: getEtag(stats) };
    if (entryStats.type !== "symlink") return entryStats;
    return { ...entryStats, link_target: await readlink(entry.folder.getEntryPath(entry.name)) };
  } catch (error) {
    throw toFileError(error, path);
  }
}

export const toFileStats = (stats: Stats): Omit<FileStats, "path" | "link_target"> => ({
  type: getFileType(stats),
  size_bytes: stats.size,
  mode: stats.mode & 0o7777,
  // Some file systems allow a time outside the calendar.
  modified_at: new Date(Number.isFinite(stats.mtime.getTime()) ? stats.mtimeMs : 0).toISOString(),
});

export function getFileType(entry: Stats | Dirent): FileType {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "other";
}
