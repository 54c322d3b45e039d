import { type FileStats, type TextReplace, WharfError } from "@wharf/contract";
import { readWholeFile } from "../file-system/read-bounded.ts";
import { replaceRootedFile } from "../file-system/replace-rooted-file.ts";
import { openFile, toShownPath } from "../file-system/rooted-path.ts";
import { KeyedQueue } from "../std/keyed-queue.ts";
import { getEtag, requireVersion } from "./etag.ts";
import { createTooLargeError } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { toFileStats } from "./stats.ts";

/**
 * Replaces a text in a file, byte for byte, in any encoding. A file that changed meanwhile is
 * `file_changed`.
 */
export async function replaceText(
  settings: FileSettings,
  input: TextReplace,
): Promise<FileStats & { replaced: number }> {
  return await replaceQueue.run(toShownPath(settings.workspace, input.path), () => replaceOnce(settings, input));
}

/** Concurrent replacements in one file all succeed, one after the other. */
const replaceQueue = new KeyedQueue();

async function replaceOnce(
  { workspace, maxFileBytes }: FileSettings,
  input: TextReplace,
): Promise<FileStats & { replaced: number }> {
  const { path } = input;
  const { bytes, unchanged } = await readOriginal(workspace, path, maxFileBytes);
  requireVersion(path, input.if_match, unchanged);
  const search = Buffer.from(input.search);
  const replace = Buffer.from(input.replace);
  const offsets = findOccurrences(bytes, search);
  if (offsets.length === 0) throw new WharfError("text_not_found", { text: shortenText(input.search) });
  if (input.must_match_once && offsets.length > 1)
    throw new WharfError("bad_request", {
      issues: [{ path: "search", message: `occurs ${offsets.length} times; include more of the text around it` }],
    });
  const size = bytes.length + offsets.length * (replace.length - search.length);
  if (size > maxFileBytes) throw createTooLargeError(path, maxFileBytes);
  const { stats } = await replaceRootedFile(
    { root: workspace, path },
    async (file) => {
      let pieceStart = 0;
      const pieces: Buffer[] = [];
      for (const offset of offsets) {
        pieces.push(bytes.subarray(pieceStart, offset), replace);
        pieceStart = offset + search.length;
      }
      await file.writeFile(Buffer.concat([...pieces, bytes.subarray(pieceStart)], size));
    },
    { unchanged },
  );
  return { path: toShownPath(workspace, path), ...toFileStats(stats), etag: getEtag(stats), replaced: offsets.length };
}

async function readOriginal(workspace: string, path: string, limit: number) {
  const { file, stats } = await openFile(workspace, path);
  await using _ = file;
  const bytes = await readWholeFile(file, limit);
  if (!bytes) throw createTooLargeError(path, limit);
  return { bytes, unchanged: stats };
}

function findOccurrences(bytes: Buffer, search: Buffer): number[] {
  const offsets: number[] = [];
  for (let offset = bytes.indexOf(search); offset !== -1; offset = bytes.indexOf(search, offset + search.length))
    offsets.push(offset);
  return offsets;
}

const shortenText = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);
