import type { FileHandle } from "node:fs/promises";
import { readChunks } from "../support/read-bounded.ts";

const newlineByte = 0x0a;
/** How far behind the wanted lines the file's lines are still counted, in bytes from the file's begin. */
const maxCountedBytes = 50 * 1024 * 1024;

interface LineRange {
  /** Where the lines begin and end in the file, in bytes. */
  startOffset: number;
  endOffset: number;
  /** Number of the last line within; one less than asked for at the start where there is none. */
  last: number;
  /** Lines of the whole file; unknown where it is too large to be counted. */
  total?: number;
}

/** Finds lines by number, the first is 1. A file is never in memory as a whole. */
export async function findLines(
  file: FileHandle,
  { start, end, signal }: { start: number; end: number; signal: AbortSignal },
): Promise<LineRange> {
  let offset = 0;
  /** Lines that are complete. */
  let line = 0;
  let lineBegin = 0;
  let rangeStart = start === 1 ? 0 : undefined;
  let rangeEnd: number | undefined;
  for await (const piece of readChunks(file)) {
    signal.throwIfAborted();
    for (let newline = piece.indexOf(newlineByte); newline !== -1; newline = piece.indexOf(newlineByte, newline + 1)) {
      line += 1;
      lineBegin = offset + newline + 1;
      if (line === start - 1) rangeStart = lineBegin;
      if (line === end) rangeEnd = lineBegin;
    }
    offset += piece.length;
    if (rangeEnd !== undefined && offset >= maxCountedBytes)
      return { startOffset: rangeStart ?? rangeEnd, endOffset: rangeEnd, last: end };
  }
  const total = offset > lineBegin ? line + 1 : line;
  if (rangeStart === undefined) return { startOffset: offset, endOffset: offset, last: start - 1, total };
  return {
    startOffset: rangeStart,
    endOffset: rangeEnd ?? offset,
    last: Math.max(start - 1, Math.min(end, total)),
    total,
  };
}
