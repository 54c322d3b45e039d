import { getCharacterEnd } from "../events/byte-budget.ts";

export class LineTooLongError extends Error {
  constructor(maxBytes: number) {
    super(`a line longer than ${maxBytes} bytes`);
    this.name = "LineTooLong";
  }
}

interface LineLimit {
  maxBytes: number;
  /** A longer line is split into several, or ends reading. */
  overlong: "split" | "fail";
}

/**
 * Yields the lines of a byte stream, at the reader's pace: while the reader waits, the pipe fills
 * and the program at its other end blocks. Memory is bounded by the longest line and one chunk.
 */
export async function* readLines(
  stream: AsyncIterable<Buffer>,
  limit: LineLimit,
): AsyncGenerator<string, void, undefined> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  const takeLine = (): string => {
    const line = pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
    pieces = [];
    bytes = 0;
    return line.toString("utf8", 0, line.at(-1) === 13 ? line.length - 1 : line.length);
  };
  for await (const chunk of stream) {
    for (let start = 0; start < chunk.length;) {
      const newline = chunk.indexOf(10, start);
      const end = newline === -1 ? chunk.length : newline;
      pieces.push(chunk.subarray(start, end));
      bytes += end - start;
      while (bytes > limit.maxBytes) {
        if (limit.overlong === "fail") throw new LineTooLongError(limit.maxBytes);
        const all = Buffer.concat(pieces);
        const cutIndex = getCharacterEnd(all, limit.maxBytes);
        yield all.toString("utf8", 0, cutIndex);
        pieces = [all.subarray(cutIndex)];
        bytes = all.length - cutIndex;
      }
      if (newline !== -1) yield takeLine();
      start = end + 1;
    }
  }
  if (bytes > 0) yield takeLine();
}
