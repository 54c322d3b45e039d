const firstBlockBytes = 4096;

/**
 * Collects bytes in one buffer that doubles in size, so that many small pieces cost no more than a
 * few large ones.
 */
export class ByteAccumulator {
  #buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2, firstBlockBytes));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  /** Returns the collected bytes as text and empties the buffer. */
  takeText(): string {
    const text = this.#buffer.toString("utf8", 0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return text;
  }
}
