import type { FileHandle } from "node:fs/promises";
import { readChunks } from "../file-system/read-bounded.ts";

const newlineByte = 0x0a;
/** Lines after the range are counted up to this offset in the file. */
const maxCountedBytes = 50 * 1024 * 1024;

interface LineRange {
  /** The range has these byte offsets in the file. */
  startOffset: number;
  endOffset: number;
  /**
   * The last line in the range has this number; the requested start minus one if the range is
   * empty.
   */
  last: number;
  /** The whole file has this many lines; undefined if the file is too large to count. */
  total?: number;
}

/** Finds lines by number, the first is 1. The file is never in memory as a whole. */
export async function findLines(
  file: FileHandle,
  { start, end, signal }: { start: number; end: number; signal: AbortSignal },
): Promise<LineRange> {
  let offset = 0;
  /** The count includes only complete lines. */
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
