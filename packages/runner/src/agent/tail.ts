/** The last bytes of an output, cut at its beginning between two characters. */
export class Tail {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    // Joined only now and then, so that many small chunks cost no more than few large ones.
    if (this.#bytes > this.#limit * 2 || this.#chunks.length > 4_096) this.#trim();
  }

  text(): string {
    return this.#trim().toString();
  }

  #trim(): Buffer {
    const all = Buffer.concat(this.#chunks);
    let from = Math.max(0, all.length - this.#limit);
    if (from > 0) {
      this.truncated = true;
      for (let skipped = 0; skipped < 3 && ((all[from] ?? 0) & 0xc0) === 0x80; skipped++) from++;
    }
    const kept = Buffer.from(all.subarray(from));
    this.#chunks = [kept];
    this.#bytes = kept.length;
    return kept;
  }
}
