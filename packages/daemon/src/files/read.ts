import { isUtf8 } from "node:buffer";
import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { type FileContent, type FileRead, WharfError } from "@wharf/contract";
import { readBytes } from "../file-system/read-bounded.ts";
import { openFile, toShownPath } from "../file-system/rooted-path.ts";
import { getEtag } from "./etag.ts";
import { findLines } from "./line-range.ts";
import { maxContentBytes, type FileSettings } from "./settings.ts";
import { toFileStats } from "./stats.ts";

/** Returns a file's content, whole or a range, as text or as base64. */
export async function readFile(settings: FileSettings, input: FileRead, signal: AbortSignal): Promise<FileContent> {
  const { workspace } = settings;
  const { file, stats } = await openFile(workspace, input.path);
  await using _ = file;
  const hasLineRange = (input.start_line ?? input.end_line) !== undefined;
  const range = hasLineRange ? await getLineRange(file, input, signal) : getByteRange(stats, input);
  if (range.length > maxContentBytes) throw createTooLargeError(input.path, maxContentBytes);
  const bytes = await readBytes(file, range.offset, range.length);
  const { size_bytes, modified_at } = toFileStats(stats);
  return {
    path: toShownPath(workspace, input.path),
    ...encodeContent(bytes, input),
    size_bytes,
    modified_at,
    etag: getEtag(stats),
    offset: range.offset,
    ...range.lines,
    end_of_file: range.offset + bytes.length >= size_bytes,
  };
}

interface ReadRange {
  offset: number;
  length: number;
  lines?: Pick<FileContent, "start_line" | "end_line" | "total_lines">;
}

function getByteRange({ size }: Stats, { path, offset = 0, length }: FileRead): ReadRange {
  const remainingBytes = Math.max(0, size - offset);
  const requestedBytes = Math.min(remainingBytes, length ?? remainingBytes);
  if (requestedBytes > maxContentBytes) throw createTooLargeError(path, maxContentBytes);
  return { offset: Math.min(offset, size), length: requestedBytes };
}

async function getLineRange(file: FileHandle, input: FileRead, signal: AbortSignal): Promise<ReadRange> {
  const { path, start_line = 1, end_line = Number.MAX_SAFE_INTEGER } = input;
  const { startOffset, endOffset, last, total } = await findLines(file, { start: start_line, end: end_line, signal });
  if (endOffset - startOffset > maxContentBytes) throw createTooLargeError(path, maxContentBytes);
  const lines = { start_line, end_line: last, ...(total !== undefined && { total_lines: total }) };
  return { offset: startOffset, length: endOffset - startOffset, lines };
}

function encodeContent(bytes: Buffer, { path, encoding }: FileRead): Pick<FileContent, "encoding" | "content"> {
  if (encoding !== "base64" && isUtf8(bytes)) return { encoding: "utf8", content: bytes.toString("utf8") };
  if (encoding === "utf8")
    throw new WharfError("bad_request", { issues: [{ path, message: "is not UTF-8 text; request it as base64" }] });
  return { encoding: "base64", content: bytes.toString("base64") };
}

export const createTooLargeError = (path: string, limitBytes: number): WharfError =>
  new WharfError("file_too_large", { path, limit_bytes: limitBytes });
