/** Cuts a stream of bytes between characters: the beginning of one that is not whole yet waits for the rest. */
export class Utf8Edge {
  #held: Buffer | undefined;

  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  write(chunk: Buffer): Buffer {
    const bytes = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    const open = openBytes(bytes);
    this.#held = open > 0 ? Buffer.from(bytes.subarray(bytes.length - open)) : undefined;
    return open > 0 ? bytes.subarray(0, bytes.length - open) : bytes;
  }

  /** What waits, whole or not. */
  end(): Buffer {
    const held = this.#held ?? Buffer.alloc(0);
    this.#held = undefined;
    return held;
  }
}

/** How many bytes at the end begin a character that is not whole. Bytes that are no UTF-8 begin none. */
function openBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    if (byte >= 0xf0 && byte <= 0xf4) return back < 4 ? back : 0;
    if (byte >= 0xe0 && byte < 0xf0) return back < 3 ? back : 0;
    return byte >= 0xc2 && byte < 0xe0 && back < 2 ? back : 0;
  }
  return 0;
}
