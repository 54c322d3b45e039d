/** OutputTail keeps the last bytes of an output, cut at the beginning between two characters. */
export class OutputTail {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    // Chunks are joined only occasionally, so that many small chunks cost no more than a few large
    // ones.
    if (this.#bytes > this.#maxBytes * 2 || this.#chunks.length > 4_096) this.#trim();
  }

  getText(): string {
    return this.#trim().toString();
  }

  #trim(): Buffer {
    const all = Buffer.concat(this.#chunks);
    let start = Math.max(0, all.length - this.#maxBytes);
    if (start > 0) {
      this.truncated = true;
      for (let skipped = 0; skipped < 3 && ((all[start] ?? 0) & 0xc0) === 0x80; skipped++) start++;
    }
    const retained = Buffer.from(all.subarray(start));
    this.#chunks = [retained];
    this.#bytes = retained.length;
    return retained;
  }
}
