import type { IncomingMessage } from "node:http";

const BODY_LIMIT = 32 * 1024 * 1024; // bytes of one request that are kept to be sent again
const TOTAL_LIMIT = 64 * 1024 * 1024; // bytes of all requests

let kept = 0;

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
    for (let at = 0; ; at++) {
      const chunk = chunks[at] ?? (this.#ended ? undefined : await (this.#next ??= this.#pull()));
      if (!chunk) return;
      yield chunk;
    }
  }

  [Symbol.dispose](): void {
    this.#drop();
  }

  async #pull(): Promise<Buffer | undefined> {
    try {
      const { done, value } = await this.#source.next();
      if (done) {
        this.#ended = true;
        return undefined;
      }
      this.#keep(value);
      return value;
    } finally {
      this.#next = undefined;
    }
  }

  #keep(chunk: Buffer): void {
    if (!this.#chunks) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    kept += chunk.length;
    if (this.#size > BODY_LIMIT || kept > TOTAL_LIMIT) this.#drop();
  }

  #drop(): void {
    this.#chunks = undefined;
    kept -= this.#size;
    this.#size = 0;
  }
}
