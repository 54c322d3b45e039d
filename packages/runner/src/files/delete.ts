import type { Dirent } from "node:fs";
import { opendir, rmdir, unlink } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { holdEntry, shownPath, type HeldFolder } from "../support/beneath.ts";
import { fileError } from "../support/file-errors.ts";
import { isSystemError } from "../support/files.ts";

const DEEPEST = 256; // folders; each one is held open while what is in it is removed
const AT_ONCE = 32;
const MOST_ROUNDS = 4;

interface DeleteInput {
  path: string;
  recursive: boolean;
  missing_ok: boolean;
}

/** Removes a file, a link, an empty folder, or a folder with all in it. Links are removed, never followed. */
export async function deletePath(
  workspace: string,
  { path, recursive, missing_ok }: DeleteInput,
  signal: AbortSignal,
): Promise<{ path: string; deleted: number }> {
  const answer = (deleted: number) => ({ path: shownPath(workspace, path), deleted });
  try {
    await using entry = await holdEntry(workspace, path, { links: "keep-last" });
    if (entry.name === "") throw refused(path, "is the workspace itself");
    const stats = await entry.stat();
    if (!stats) throw new WharfError("not_found", { what: "file", id: path });
    const { folder, name } = entry;
    if (!stats.isDirectory()) {
      await unlink(folder.at(name));
      return answer(1);
    }
    const inside = recursive ? await empty(folder, name, { path, depth: 1, signal }) : 0;
    await rmdir(folder.at(name));
    return answer(inside + 1);
  } catch (error) {
    const known = fileError(error, path);
    if (missing_ok && known instanceof WharfError && known.code === "not_found") return answer(0);
    throw known;
  }
}

/**
 * Removes what is in a folder, held open all the while, so that nobody can put a link in its place. What somebody adds
 * meanwhile is removed too, a few times.
 */
async function empty(
  parent: HeldFolder,
  name: string,
  options: { path: string; depth: number; signal: AbortSignal },
): Promise<number> {
  const { path, depth, signal } = options;
  if (depth > DEEPEST) throw refused(path, `is deeper than ${DEEPEST} folders`);
  await using folder = await parent.enter(name);
  let deleted = 0;
  for (let round = 0, before = -1; round < MOST_ROUNDS && deleted !== before; round++) {
    before = deleted;
    for await (const entries of entriesOf(folder)) {
      signal.throwIfAborted();
      const files = entries.filter((entry) => !entry.isDirectory());
      await Promise.all(files.map((entry) => unlink(folder.at(entry.name)).catch(unlessGone)));
      for (const entry of entries) {
        if (!entry.isDirectory()) continue;
        deleted += await empty(folder, entry.name, { path, depth: depth + 1, signal });
        await rmdir(folder.at(entry.name)).catch(unlessGone);
      }
      deleted += entries.length;
    }
  }
  return deleted;
}

async function* entriesOf(folder: HeldFolder): AsyncGenerator<Dirent[]> {
  let entries: Dirent[] = [];
  for await (const entry of await opendir(folder.at("."), { bufferSize: 256 })) {
    if (entries.push(entry) < AT_ONCE) continue;
    yield entries;
    entries = [];
  }
  if (entries.length > 0) yield entries;
}

function unlessGone(error: unknown): void {
  if (!isSystemError(error, "ENOENT")) throw error;
}

const refused = (path: string, message: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path, message }] });
