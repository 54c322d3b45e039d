const NEWLINE = 0x0a;

/** Lines of a byte stream; one that is longer than the bound is only said to have been there. */
export async function* boundedLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer | "too long", void, undefined> {
  let pieces: Buffer[] = [];
  let size = 0;
  const take = (): Buffer | "too long" => {
    const line = size > maxBytes ? "too long" : Buffer.concat(pieces, size);
    pieces = [];
    size = 0;
    return line;
  };
  const add = (piece: Buffer): void => {
    size += piece.length;
    if (size > maxBytes) pieces = [];
    else pieces.push(piece);
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let newline = chunk.indexOf(NEWLINE); newline !== -1; newline = chunk.indexOf(NEWLINE, from)) {
      add(chunk.subarray(from, newline));
      from = newline + 1;
      yield take();
    }
    add(chunk.subarray(from));
  }
  if (size > 0) yield take();
}
