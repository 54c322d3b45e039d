const newlineByte = 0x0a;

/** Yields the lines of a byte stream, with a marker for each line over the limit. */
export async function* readBoundedLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer | "too long", void, undefined> {
  let pieces: Buffer[] = [];
  let size = 0;
  const takeLine = (): Buffer | "too long" => {
    const line = size > maxBytes ? "too long" : Buffer.concat(pieces, size);
    pieces = [];
    size = 0;
    return line;
  };
  const addPiece = (piece: Buffer): void => {
    size += piece.length;
    if (size > maxBytes) pieces = [];
    else pieces.push(piece);
  };
  for await (const chunk of chunks) {
    let lineStart = 0;
    for (let newline = chunk.indexOf(newlineByte); newline !== -1; newline = chunk.indexOf(newlineByte, lineStart)) {
      addPiece(chunk.subarray(lineStart, newline));
      lineStart = newline + 1;
      yield takeLine();
    }
    addPiece(chunk.subarray(lineStart));
  }
  if (size > 0) yield takeLine();
}
