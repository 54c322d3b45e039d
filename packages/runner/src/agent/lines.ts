import { characterEnd } from "./clip.ts";

export class LineTooLong extends Error {
  constructor(maxBytes: number) {
    super(`a line longer than ${maxBytes} bytes`);
    this.name = "LineTooLong";
  }
}

interface Limit {
  maxBytes: number;
  /** What becomes of a longer line: cut into several, or the end of reading. */
  overlong: "split" | "fail";
}

/**
 * The lines of a byte stream, read no faster than they are taken: while the reader waits, the pipe fills and the
 * program at its other end stands still. Memory is bounded by the longest line and one chunk.
 */
export async function* readLines(stream: AsyncIterable<Buffer>, limit: Limit): AsyncGenerator<string, void, undefined> {
  let held: Buffer[] = [];
  let bytes = 0;
  const take = (): string => {
    const line = held.length === 1 && held[0] ? held[0] : Buffer.concat(held);
    held = [];
    bytes = 0;
    return line.toString("utf8", 0, line.at(-1) === 13 ? line.length - 1 : line.length);
  };
  for await (const chunk of stream) {
    for (let from = 0; from < chunk.length;) {
      const newline = chunk.indexOf(10, from);
      const to = newline === -1 ? chunk.length : newline;
      held.push(chunk.subarray(from, to));
      bytes += to - from;
      while (bytes > limit.maxBytes) {
        if (limit.overlong === "fail") throw new LineTooLong(limit.maxBytes);
        const all = Buffer.concat(held);
        const cut = characterEnd(all, limit.maxBytes);
        yield all.toString("utf8", 0, cut);
        held = [all.subarray(cut)];
        bytes = all.length - cut;
      }
      if (newline !== -1) yield take();
      from = to + 1;
    }
  }
  if (bytes > 0) yield take();
}
