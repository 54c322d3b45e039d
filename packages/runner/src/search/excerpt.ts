import { StringDecoder } from "node:string_decoder";
import type { SearchMatch } from "@wharf/contract";
import type { FoundLine } from "./locator.ts";

/** Bytes read before and after a line for what surrounds it. */
export const AROUND = 16 * 1024;
const MOST_TEXT = 1_000; // characters of a line that are shown
const MOST_RANGES = 100;

/** A piece of a file's bytes. */
export interface Window {
  readonly bytes: Buffer;
  /** Of its begin in the file. */
  readonly offset: number;
}

/** What is shown of a matching line, from the bytes around it. */
export function excerpt(
  found: FoundLine,
  { bytes, offset }: Window,
  context: number,
): Omit<SearchMatch, "type" | "path"> {
  const begin = found.offset - offset;
  const line = bytes.subarray(begin, begin + found.length);
  const text = withoutEnd(line.toString());
  const ranges = found.ranges.slice(0, MOST_RANGES).map(({ start, end }) => ({
    start: Math.min(text.length, textLength(line, start)),
    end: Math.min(text.length, textLength(line, end)),
  }));
  const first = ranges[0]?.start ?? 0;
  const from = text.length <= MOST_TEXT ? 0 : Math.min(Math.max(0, first - 100), text.length - MOST_TEXT);
  const to = Math.min(text.length, from + MOST_TEXT);
  return {
    line: found.line,
    column: first + 1,
    text: text.slice(from, to),
    ranges: ranges
      .filter(({ start }) => start <= to)
      .map(({ start, end }) => ({ start: start - from, end: Math.min(end, to) - from })),
    before: linesOf(bytes.subarray(0, begin), { whole: offset === 0 }).slice(-context || Infinity),
    after: linesOf(bytes.subarray(begin + found.length), { whole: true }).slice(0, context),
  };
}

/** Lines of a piece; the first is left out where it may have begun before. */
function linesOf(bytes: Buffer, { whole }: { whole: boolean }): string[] {
  const lines = new StringDecoder("utf8").write(bytes).split("\n");
  // Behind the last line's end nothing stands.
  if (lines.at(-1) === "") lines.pop();
  return (whole ? lines : lines.slice(1)).map((line) => withoutEnd(line).slice(0, MOST_TEXT));
}

const withoutEnd = (line: string): string => line.replace(/\r?\n$|\r$/, "");
const textLength = (bytes: Buffer, end: number): number => bytes.subarray(0, end).toString().length;
