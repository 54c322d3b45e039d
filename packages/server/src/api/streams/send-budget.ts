/**
 * Maximum of unsent bytes of all viewers together. Beyond it, each viewer gets more only after it
 * has read everything.
 */
const defaultMaxBytes = 64 << 20;

/** Counts the bytes that wait in this process for viewers to read them. */
export class SendBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes = defaultMaxBytes) {
    this.#maxBytes = maxBytes;
  }

  get isExhausted(): boolean {
    return this.#bytes > this.#maxBytes;
  }

  reserve(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}
