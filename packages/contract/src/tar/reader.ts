import { blockBytes, type TarEntry } from "./header.ts";
import { toBlockSize, createTarError, parseHeader, parseLongName, parsePax } from "./parse.ts";

const maxExtraBytes = 64 * 1024; // of a pax header or a long name

/** An entry and its content, which is read or skipped before the next entry. */
export interface TarItem {
  readonly entry: TarEntry;
  readonly content: AsyncIterable<Buffer>;
}

/**
 * Reads the entries of a tar stream (ustar, pax, GNU long names), one at a time. Any other input is
 * a `bad_request`.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarItem, void, undefined> {
  const bytes = new ByteSource(source);
  let common: Partial<TarEntry> = {};
  let next: Partial<TarEntry> = {};
  for (;;) {
    const block = await bytes.readBlock();
    if (!block) throw createTarError("it is incomplete");
    const header = parseHeader(block);
    if (!header) break;
    const { flag } = header;
    if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
      const content = await readExtension(bytes, header.entry.size);
      if (flag === "g") common = { ...common, ...parsePax(content) };
      else if (flag === "x") next = { ...next, ...parsePax(content) };
      else next = { ...next, [flag === "L" ? "path" : "target"]: parseLongName(content) };
      continue;
    }
    const rawEntry = header.entry;
    const entry = { ...rawEntry, ...common, ...next };
    next = {};
    // Only files have content; some programs write a size for the other types too.
    const size = entry.type === "symlink" || entry.type === "hardlink" || entry.type === "directory" ? 0 : entry.size;
    const content = bytes.readContent(size);
    yield { entry: { ...entry, size }, content };
    for await (const _ of content);
    await bytes.skip(toBlockSize(size) - size);
  }
  // The rest is padding; a sender may wait until the reader drains it.
  await bytes.drain();
}

async function readExtension(bytes: ByteSource, size: number): Promise<Buffer> {
  if (size > maxExtraBytes) throw createTarError("a pax header is too long");
  const content = await Array.fromAsync(bytes.readContent(size));
  await bytes.skip(toBlockSize(size) - size);
  return Buffer.concat(content);
}

class ByteSource {
  readonly #source: AsyncIterator<Buffer>;
  #buffered: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Returns undefined at the stream's end. */
  async readBlock(): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    let length = 0;
    while (length < blockBytes) {
      const piece = await this.#readPiece(blockBytes - length);
      if (!piece && length === 0) return undefined;
      if (!piece) throw createTarError("it is incomplete");
      pieces.push(piece);
      length += piece.length;
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** Returns the next bytes to one reader; a later reader continues where an earlier one stops. */
  readContent(size: number): AsyncIterable<Buffer> {
    let remainingBytes = size;
    const next = async (): Promise<IteratorResult<Buffer>> => {
      if (remainingBytes === 0) return { done: true, value: undefined };
      const piece = await this.#readPiece(remainingBytes);
      if (!piece) throw createTarError("it is incomplete");
      remainingBytes -= piece.length;
      return { done: false, value: piece };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  async skip(size: number): Promise<void> {
    for (let remainingBytes = size; remainingBytes > 0;) {
      const piece = await this.#readPiece(remainingBytes);
      if (!piece) throw createTarError("it is incomplete");
      remainingBytes -= piece.length;
    }
  }

  async drain(): Promise<void> {
    while (await this.#readPiece(blockBytes * 128));
  }

  async #readPiece(maxBytes: number): Promise<Buffer | undefined> {
    while (this.#buffered.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#buffered = value;
    }
    const piece = this.#buffered.subarray(0, maxBytes);
    this.#buffered = this.#buffered.subarray(piece.length);
    return piece;
  }
}
