import { Transform, type TransformCallback } from "node:stream";

export interface DelayLineOptions {
  /** Returns the delay of the next chunk. */
  readonly nextDelayMs: () => number;
  /**
   * Returns how many of the due bytes arrive, and the fault that strikes after them if not all
   * arrive.
   */
  readonly pass: (bytes: number) => { readonly bytes: number; readonly strike?: () => void };
}

/** The sender waits while this many bytes are in flight. */
const maxBytesInFlight = 4 * 2 ** 20;

interface Chunk {
  readonly bytes: Buffer;
  readonly dueAt: number;
}

/**
 * Delays one direction of a byte stream: every chunk arrives after its delay, in order, and a
 * receiver that does not read blocks the sender.
 *
 * A line is open → cut (it has ended after the bytes that arrived so far) or silent (it stays open
 * and nothing more arrives). In both states the line drops what is sent.
 */
export class DelayLine extends Transform {
  readonly #options: DelayLineOptions;
  readonly #chunks: Chunk[] = [];
  #bytesInFlight = 0;
  #lastDueAt = 0;
  #state: "open" | "cut" | "silent" = "open";
  #timer: NodeJS.Timeout | undefined;
  #receiverReads = true;
  #isDelivering = false;
  /** Lets the sender continue. */
  #resume: TransformCallback | undefined;
  #flushed: TransformCallback | undefined;

  constructor(options: DelayLineOptions) {
    super();
    this.#options = options;
  }

  cut(): void {
    if (this.#state === "cut") return;
    this.#dropChunks("cut");
    this.push(null);
  }

  silence(): void {
    if (this.#state === "open") this.#dropChunks("silent");
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    if (this.#state !== "open") return callback();
    this.#lastDueAt = Math.max(this.#lastDueAt, performance.now() + this.#options.nextDelayMs());
    this.#chunks.push({ bytes, dueAt: this.#lastDueAt });
    this.#bytesInFlight += bytes.length;
    this.#resume = callback;
    this.#deliver();
  }

  override _flush(callback: TransformCallback): void {
    if (this.#state === "silent") return; // the receiver does not learn that the sender has left
    this.#flushed = callback;
    this.#deliver();
  }

  override _read(size: number): void {
    this.#receiverReads = true;
    super._read(size);
    this.#deliver();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    callback(error);
  }

  #deliver(): void {
    if (this.#isDelivering) return; // the receiver asked for more during a delivery
    this.#isDelivering = true;
    this.#deliverDueChunks();
    this.#isDelivering = false;
    if (this.#bytesInFlight < maxBytesInFlight) this.#resumeSender();
    if (this.#chunks.length > 0) return;
    const flushed = this.#flushed;
    this.#flushed = undefined;
    flushed?.();
  }

  #deliverDueChunks(): void {
    clearTimeout(this.#timer);
    while (this.#receiverReads) {
      const [chunk] = this.#chunks;
      if (!chunk) return;
      const waitMs = chunk.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#deliver(), waitMs);
        return;
      }
      this.#deliverChunk(chunk);
    }
  }

  #deliverChunk({ bytes, dueAt }: Chunk): void {
    const { bytes: passed, strike } = this.#options.pass(bytes.length);
    const remainder = bytes.subarray(passed);
    this.#chunks.shift();
    if (remainder.length > 0) this.#chunks.unshift({ bytes: remainder, dueAt });
    this.#bytesInFlight -= passed;
    if (passed > 0) {
      this.#receiverReads = false;
      if (this.push(bytes.subarray(0, passed))) this.#receiverReads = true;
    }
    strike?.();
  }

  #dropChunks(state: "cut" | "silent"): void {
    this.#state = state;
    clearTimeout(this.#timer);
    this.#chunks.length = 0;
    this.#bytesInFlight = 0;
    this.#resumeSender();
  }

  #resumeSender(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }
}
