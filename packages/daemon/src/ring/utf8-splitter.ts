/**
 * Splits a stream of bytes between characters: an incomplete character waits for its remaining
 * bytes.
 */
export class Utf8Splitter {
  #pending: Buffer | undefined;

  get isHolding(): boolean {
    return this.#pending !== undefined;
  }

  write(chunk: Buffer): Buffer {
    const bytes = this.#pending ? Buffer.concat([this.#pending, chunk]) : chunk;
    const incompleteBytes = getIncompleteLength(bytes);
    this.#pending = incompleteBytes > 0 ? Buffer.from(bytes.subarray(bytes.length - incompleteBytes)) : undefined;
    return incompleteBytes > 0 ? bytes.subarray(0, bytes.length - incompleteBytes) : bytes;
  }

  /** Returns the waiting bytes, complete or not. */
  end(): Buffer {
    const pendingBytes = this.#pending ?? Buffer.alloc(0);
    this.#pending = undefined;
    return pendingBytes;
  }
}

/** Counts the bytes at the end that begin an incomplete character. Invalid UTF-8 begins none. */
function getIncompleteLength(bytes: Buffer): number {
  for (let distance = 1; distance <= Math.min(3, bytes.length); distance++) {
    const byte = bytes[bytes.length - distance] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    if (byte >= 0xf0 && byte <= 0xf4) return distance < 4 ? distance : 0;
    if (byte >= 0xe0 && byte < 0xf0) return distance < 3 ? distance : 0;
    return byte >= 0xc2 && byte < 0xe0 && distance < 2 ? distance : 0;
  }
  return 0;
}
