import type { FileHandle } from "node:fs/promises";
import { piecesOf } from "../support/read-bounded.ts";

const NEWLINE = 0x0a;
/** How far behind the wanted lines the file's lines are still counted, in bytes from the file's begin. */
const COUNT_UP_TO = 50 * 1024 * 1024;

interface Lines {
  /** Where the lines begin and end in the file, in bytes. */
  from: number;
  to: number;
  /** Number of the last line within; one less than asked for at the start where there is none. */
  last: number;
  /** Lines of the whole file; unknown where it is too large to be counted. */
  total?: number;
}

/** Finds lines by number, the first is 1. A file is never in memory as a whole. */
export async function findLines(
  file: FileHandle,
  { start, end, signal }: { start: number; end: number; signal: AbortSignal },
): Promise<Lines> {
  let at = 0;
  /** Lines that are complete. */
  let line = 0;
  let lineBegin = 0;
  let from = start === 1 ? 0 : undefined;
  let to: number | undefined;
  for await (const piece of piecesOf(file)) {
    signal.throwIfAborted();
    for (let newline = piece.indexOf(NEWLINE); newline !== -1; newline = piece.indexOf(NEWLINE, newline + 1)) {
      line += 1;
      lineBegin = at + newline + 1;
      if (line === start - 1) from = lineBegin;
      if (line === end) to = lineBegin;
    }
    at += piece.length;
    if (to !== undefined && at >= COUNT_UP_TO) return { from: from ?? to, to, last: end };
  }
  const total = at > lineBegin ? line + 1 : line;
  if (from === undefined) return { from: at, to: at, last: start - 1, total };
  return { from, to: to ?? at, last: Math.max(start - 1, Math.min(end, total)), total };
}
