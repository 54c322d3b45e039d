import { ByteAccumulator } from "./bytes.ts";
import { WireProtocolError } from "./errors.ts";

const NEWLINE = 0x0a;

/** The lines of a byte stream, without empty ones. A line longer than `maxBytes` is a WireProtocolError. */
export async function* ndjsonLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<string, void, undefined> {
  const open = new ByteAccumulator();
  for await (const chunk of chunks) {
    let from = 0;
    for (let newline = chunk.indexOf(NEWLINE); newline !== -1; newline = chunk.indexOf(NEWLINE, from)) {
      const line = lineOf(open, chunk.subarray(from, newline), maxBytes);
      from = newline + 1;
      if (line.length > 0) yield line;
    }
    grow(open, chunk.subarray(from), maxBytes);
  }
  if (open.length > 0) yield open.takeText();
}

function lineOf(open: ByteAccumulator, end: Buffer, maxBytes: number): string {
  if (open.length === 0 && end.length <= maxBytes) return end.toString("utf8").trim();
  grow(open, end, maxBytes);
  return open.takeText().trim();
}

function grow(open: ByteAccumulator, piece: Buffer, maxBytes: number): void {
  if (open.length + piece.length > maxBytes) throw new WireProtocolError(`a line of more than ${maxBytes} bytes`);
  if (piece.length > 0) open.add(piece);
}
