import type { IncomingMessage } from "node:http";

// Larger bodies are not kept for a second attempt.
const maxBodyBytes = 32 * 1024 * 1024;
// All requests share this limit.
const maxTotalBytes = 64 * 1024 * 1024;

let retainedBytes = 0;

/**
 * Keeps a request's body, so that it can be sent more than once. Data beyond the limits is sent
 * once and not kept.
 */
export class RequestBody implements Disposable {
  readonly #source: AsyncIterator<Buffer>;
  #chunks: Buffer[] | undefined = [];
  #size = 0;
  #ended = false;
  #next: Promise<Buffer | undefined> | undefined;

  constructor(request: IncomingMessage) {
    this.#source = request[Symbol.asyncIterator]();
  }

  /** Reports whether `read` can start from the beginning again. */
  get repeatable(): boolean {
    return this.#chunks !== undefined;
  }

  /**
   * Reads from the beginning while the body is repeatable. After an abandoned read, the next read
   * continues without loss.
   */
  async *read(): AsyncIterable<Buffer> {
    // This reference keeps the chunks readable here after the body stops being repeatable.
    const chunks = this.#chunks ?? [];
    for (let index = 0; ; index++) {
      const chunk = chunks[index] ?? (this.#ended ? undefined : await (this.#next ??= this.#readChunk()));
      if (!chunk) return;
      yield chunk;
    }
  }

  [Symbol.dispose](): void {
    this.#releaseChunks();
  }

  async #readChunk(): Promise<Buffer | undefined> {
    try {
      const { done, value } = await this.#source.next();
      if (done) {
        this.#ended = true;
        return undefined;
      }
      this.#retainChunk(value);
      return value;
    } finally {
      this.#next = undefined;
    }
  }

  #retainChunk(chunk: Buffer): void {
    if (!this.#chunks) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    retainedBytes += chunk.length;
    if (this.#size > maxBodyBytes || retainedBytes > maxTotalBytes) this.#releaseChunks();
  }

  #releaseChunks(): void {
    this.#chunks = undefined;
    retainedBytes -= this.#size;
    this.#size = 0;
  }
}
