/**
 * Smaller pieces are copied together: a slice keeps the whole 64 KiB read alive, and a million
 * one-byte slices would cost a hundred times their size.
 */
const copyBelowBytes = 32 * 1024;
const minBlockBytes = 1024;

interface Block {
  readonly bytes: Buffer;
  used: number;
}

/**
 * Bytes received for a stream and not read yet. The backlog takes about twice their size, however
 * they were cut.
 */
export class ReceiveBacklog {
  #blocks: Block[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (piece.length >= copyBelowBytes) {
      this.#blocks.push({ bytes: piece, used: piece.length });
      return;
    }
    const tail = this.#blocks.at(-1);
    const fits = tail ? Math.min(piece.length, tail.bytes.length - tail.used) : 0;
    if (tail && fits > 0) {
      piece.copy(tail.bytes, tail.used, 0, fits);
      tail.used += fits;
    }
    if (fits === piece.length) return;
    const remainingBytes = piece.length - fits;
    const bytes = Buffer.allocUnsafeSlow(
      Math.max(remainingBytes, Math.min(copyBelowBytes, Math.max(minBlockBytes, this.#bytes))),
    );
    piece.copy(bytes, 0, fits);
    this.#blocks.push({ bytes, used: remainingBytes });
  }

  shift(): Buffer | undefined {
    const block = this.#blocks.shift();
    if (!block) return undefined;
    this.#bytes -= block.used;
    return block.bytes.subarray(0, block.used);
  }

  clear(): void {
    this.#blocks = [];
    this.#bytes = 0;
  }
}
