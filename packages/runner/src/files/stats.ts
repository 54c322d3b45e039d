import type { Dirent, Stats } from "node:fs";
import { readlink } from "node:fs/promises";
import { type FileStats, type FileType, WharfError } from "@wharf/contract";
import { holdEntry, shownPath } from "../support/beneath.ts";
import { fileError } from "../support/file-errors.ts";

/** What stands at a path; of a link what it leads to, unless it is asked for itself. */
export async function fileStats(workspace: string, input: { path: string; follow: boolean }): Promise<FileStats> {
  const { path, follow } = input;
  await using entry = await holdEntry(workspace, path, { links: follow ? "follow" : "keep-last" });
  try {
    const stats = await entry.stat();
    if (!stats) throw new WharfError("not_found", { what: "file", id: path });
    const shown = { path: shownPath(workspace, path), ...statsOf(stats) };
    if (shown.type !== "symlink") return shown;
    return { ...shown, link_target: await readlink(entry.folder.at(entry.name)) };
  } catch (error) {
    throw fileError(error, path);
  }
}

export const statsOf = (stats: Stats): Omit<FileStats, "path" | "link_target"> => ({
  type: typeOf(stats),
  size_bytes: stats.size,
  mode: stats.mode & 0o7777,
  // A time no calendar knows is possible on some file systems.
  modified_at: new Date(Number.isFinite(stats.mtime.getTime()) ? stats.mtimeMs : 0).toISOString(),
});

export function typeOf(entry: Stats | Dirent): FileType {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "other";
}
