import { StringDecoder } from "node:string_decoder";
import type { SearchMatch } from "@wharf/contract";
import type { MatchedLine } from "./locator.ts";

/** Context is read up to this far before and after a line. */
export const excerptBytes = 16 * 1024;
const maxTextCharacters = 1_000; // the excerpt cuts longer lines
const maxRanges = 100;

/** ByteWindow is a part of a file's bytes. */
export interface ByteWindow {
  readonly bytes: Buffer;
  /** The window starts at this byte of the file. */
  readonly offset: number;
}

/** Creates the excerpt for a matching line, from the bytes around it. */
export function createExcerpt(
  match: MatchedLine,
  { bytes, offset }: ByteWindow,
  context: number,
): Omit<SearchMatch, "type" | "path"> {
  const begin = match.offset - offset;
  const line = bytes.subarray(begin, begin + match.length);
  const text = trimLineEnd(line.toString());
  const ranges = match.ranges.slice(0, maxRanges).map(({ start, end }) => ({
    start: Math.min(text.length, getTextLength(line, start)),
    end: Math.min(text.length, getTextLength(line, end)),
  }));
  const first = ranges[0]?.start ?? 0;
  const textStart =
    text.length <= maxTextCharacters ? 0 : Math.min(Math.max(0, first - 100), text.length - maxTextCharacters);
  const textEnd = Math.min(text.length, textStart + maxTextCharacters);
  return {
    line: match.line,
    column: first + 1,
    text: text.slice(textStart, textEnd),
    ranges: ranges
      .filter(({ start }) => start <= textEnd)
      .map(({ start, end }) => ({ start: start - textStart, end: Math.min(end, textEnd) - textStart })),
    before: parseLines(bytes.subarray(0, begin), { startsAtLine: offset === 0 }).slice(-context || Infinity),
    after: parseLines(bytes.subarray(begin + match.length), { startsAtLine: true }).slice(0, context),
  };
}

/** Splits a window into lines; the first is left out if it may have started earlier. */
function parseLines(bytes: Buffer, { startsAtLine }: { startsAtLine: boolean }): string[] {
  const lines = new StringDecoder("utf8").write(bytes).split("\n");
  // No line follows the last line end.
  if (lines.at(-1) === "") lines.pop();
  return (startsAtLine ? lines : lines.slice(1)).map((line) => trimLineEnd(line).slice(0, maxTextCharacters));
}

const trimLineEnd = (line: string): string => line.replace(/\r?\n$|\r$/, "");
const getTextLength = (bytes: Buffer, end: number): number => bytes.subarray(0, end).toString().length;
