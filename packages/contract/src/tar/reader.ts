import { BLOCK, type TarEntry } from "./header.ts";
import { blocksOf, notATar, parseHeader, parseLongName, parsePax } from "./parse.ts";

const MOST_EXTRA = 64 * 1024; // bytes of a pax header or a long name

/** An entry and its content, which is read, or skipped, before the next entry comes. */
export interface TarItem {
  readonly entry: TarEntry;
  readonly content: AsyncIterable<Buffer>;
}

/** Entries of a tar stream (ustar, pax, GNU's long names), one at a time. Anything else is a `bad_request`. */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarItem, void, undefined> {
  const bytes = new ByteSource(source);
  let common: Partial<TarEntry> = {};
  let next: Partial<TarEntry> = {};
  for (;;) {
    const block = await bytes.block();
    if (!block) throw notATar("it breaks off");
    const header = parseHeader(block);
    if (!header) break;
    const { flag } = header;
    if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
      const content = await extra(bytes, header.entry.size);
      if (flag === "g") common = { ...common, ...parsePax(content) };
      else if (flag === "x") next = { ...next, ...parsePax(content) };
      else next = { ...next, [flag === "L" ? "path" : "target"]: parseLongName(content) };
      continue;
    }
    const own = header.entry;
    const entry = { ...own, ...common, ...next };
    next = {};
    // Only these have content; some programs write a size for the others too.
    const size = entry.type === "symlink" || entry.type === "hardlink" || entry.type === "directory" ? 0 : entry.size;
    const content = bytes.content(size);
    yield { entry: { ...entry, size }, content };
    for await (const _ of content);
    await bytes.skip(blocksOf(size) - size);
  }
  // What is left is padding; a sender may wait until it is taken.
  await bytes.drain();
}

async function extra(bytes: ByteSource, size: number): Promise<Buffer> {
  if (size > MOST_EXTRA) throw notATar("a pax header is too long");
  const content = await Array.fromAsync(bytes.content(size));
  await bytes.skip(blocksOf(size) - size);
  return Buffer.concat(content);
}

class ByteSource {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Nothing at the stream's end. */
  async block(): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    let length = 0;
    while (length < BLOCK) {
      const piece = await this.#take(BLOCK - length);
      if (!piece && length === 0) return undefined;
      if (!piece) throw notATar("it breaks off");
      pieces.push(piece);
      length += piece.length;
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** The next bytes, for one reader, who may stop and be followed by another. */
  content(size: number): AsyncIterable<Buffer> {
    let left = size;
    const next = async (): Promise<IteratorResult<Buffer>> => {
      if (left === 0) return { done: true, value: undefined };
      const piece = await this.#take(left);
      if (!piece) throw notATar("it breaks off");
      left -= piece.length;
      return { done: false, value: piece };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) {
      const piece = await this.#take(left);
      if (!piece) throw notATar("it breaks off");
      left -= piece.length;
    }
  }

  async drain(): Promise<void> {
    while (await this.#take(BLOCK * 128));
  }

  async #take(most: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }
}
