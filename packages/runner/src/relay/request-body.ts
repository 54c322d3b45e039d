import type { IncomingMessage } from "node:http";

const maxBodyBytes = 32 * 1024 * 1024; // bytes of one request that are kept to be sent again
const maxTotalBytes = 64 * 1024 * 1024; // bytes of all requests

let retainedBytes = 0;

/** A request's body that can be sent more than once. What goes beyond the limits is sent once and not kept. */
export class RequestBody implements Disposable {
  readonly #source: AsyncIterator<Buffer>;
  #chunks: Buffer[] | undefined = [];
  #size = 0;
  #ended = false;
  #next: Promise<Buffer | undefined> | undefined;

  constructor(request: IncomingMessage) {
    this.#source = request[Symbol.asyncIterator]();
  }

  /** Whether `read` can begin anew. */
  get repeatable(): boolean {
    return this.#chunks !== undefined;
  }

  /** From the beginning while it is repeatable. A reading that was left is gone on with by the next, without loss. */
  async *read(): AsyncIterable<Buffer> {
    // Held on to: what is read here stays readable when it is no longer kept for another time.
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
