import { isUtf8 } from "node:buffer";
import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { type FileContent, type FileRead, WharfError } from "@wharf/contract";
import { openFile, shownPath } from "../support/beneath.ts";
import { readAt } from "../support/read-bounded.ts";
import { findLines } from "./lines.ts";
import { MOST_CONTENT, type FileSettings } from "./settings.ts";
import { statsOf } from "./stats.ts";

/** A file's content, whole or a range of it, as text or as base64. */
export async function readFile(settings: FileSettings, input: FileRead, signal: AbortSignal): Promise<FileContent> {
  const { workspace } = settings;
  const { file, stats } = await openFile(workspace, input.path);
  await using _ = file;
  const asksLines = (input.start_line ?? input.end_line) !== undefined;
  const range = asksLines ? await lineRange(file, input, signal) : byteRange(stats, input);
  if (range.length > MOST_CONTENT) throw tooLarge(input.path, MOST_CONTENT);
  const bytes = await readAt(file, range.offset, range.length);
  const { size_bytes, modified_at } = statsOf(stats);
  return {
    path: shownPath(workspace, input.path),
    ...encode(bytes, input),
    size_bytes,
    modified_at,
    offset: range.offset,
    ...range.lines,
    end_of_file: range.offset + bytes.length >= size_bytes,
  };
}

interface Range {
  offset: number;
  length: number;
  lines?: Pick<FileContent, "start_line" | "end_line" | "total_lines">;
}

function byteRange({ size }: Stats, { path, offset = 0, length }: FileRead): Range {
  const left = Math.max(0, size - offset);
  const wanted = Math.min(left, length ?? left);
  if (wanted > MOST_CONTENT) throw tooLarge(path, MOST_CONTENT);
  return { offset: Math.min(offset, size), length: wanted };
}

async function lineRange(file: FileHandle, input: FileRead, signal: AbortSignal): Promise<Range> {
  const { path, start_line = 1, end_line = Number.MAX_SAFE_INTEGER } = input;
  const { from, to, last, total } = await findLines(file, { start: start_line, end: end_line, signal });
  if (to - from > MOST_CONTENT) throw tooLarge(path, MOST_CONTENT);
  const lines = { start_line, end_line: last, ...(total !== undefined && { total_lines: total }) };
  return { offset: from, length: to - from, lines };
}

function encode(bytes: Buffer, { path, encoding }: FileRead): Pick<FileContent, "encoding" | "content"> {
  if (encoding !== "base64" && isUtf8(bytes)) return { encoding: "utf8", content: bytes.toString("utf8") };
  if (encoding === "utf8")
    throw new WharfError("bad_request", { issues: [{ path, message: "is not UTF-8 text; ask for it as base64" }] });
  return { encoding: "base64", content: bytes.toString("base64") };
}

export const tooLarge = (path: string, limit_bytes: number): WharfError =>
  new WharfError("file_too_large", { path, limit_bytes });
