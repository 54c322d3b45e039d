import { ByteAccumulator } from "./bytes.ts";
import { WireProtocolError } from "./errors.ts";

const newlineByte = 0x0a;

/**
 * Yields the lines of a byte stream, without empty ones. A line longer than `maxBytes` is a
 * WireProtocolError.
 */
export async function* readNdjsonLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<string, void, undefined> {
  const partialLine = new ByteAccumulator();
  for await (const chunk of chunks) {
    let start = 0;
    for (let newline = chunk.indexOf(newlineByte); newline !== -1; newline = chunk.indexOf(newlineByte, start)) {
      const line = completeLine(partialLine, chunk.subarray(start, newline), maxBytes);
      start = newline + 1;
      if (line.length > 0) yield line;
    }
    appendPiece(partialLine, chunk.subarray(start), maxBytes);
  }
  if (partialLine.length > 0) yield partialLine.takeText();
}

function completeLine(partialLine: ByteAccumulator, end: Buffer, maxBytes: number): string {
  if (partialLine.length === 0 && end.length <= maxBytes) return end.toString("utf8").trim();
  appendPiece(partialLine, end, maxBytes);
  return partialLine.takeText().trim();
}

function appendPiece(partialLine: ByteAccumulator, piece: Buffer, maxBytes: number): void {
  if (partialLine.length + piece.length > maxBytes)
    throw new WireProtocolError(`a line of more than ${maxBytes} bytes`);
  if (piece.length > 0) partialLine.add(piece);
}
