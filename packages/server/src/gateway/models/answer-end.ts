import { Transform, type TransformCallback } from "node:stream";
import type { ModelRoute } from "../context.ts";

/**
 * The beginning of the event that ends a stream. Text of the model cannot look like it: in JSON, a
 * line break or a quote inside a string is escaped.
 */
const endEvents: { readonly [Api in ModelRoute["api"]]: RegExp } = {
  anthropic: /(?<=[\r\n])(?:event: ?|data: ?\{\s*"type"\s*:\s*")message_stop/,
  openai:
    /(?<=[\r\n])(?:data: ?\[DONE\]|(?:event: ?|data: ?\{\s*"type"\s*:\s*")response\.(?:completed|incomplete|failed))/,
  gemini: /"finishReason"\s*:\s*"/,
};
/** Longer than the beginning of any of these events. */
const maxEventCharacters = 64;
/** A server that does not end its answer after the last event delays it by this much. */
const maxHoldMs = 2_000;
/** More than any event, so that a server that never stops does not fill the memory. */
const maxHeldBytes = 1024 * 1024;

export interface AnswerEndOptions {
  readonly api: ModelRoute["api"];
  readonly isStream: boolean;
  /** Called when the whole answer has arrived. The held bytes follow when it resolves. */
  readonly beforeEnd: () => Promise<void>;
}

/**
 * Passes an answer on, except for its end: agents take an answer as complete at its last event, not
 * at the end of the connection. Of an answer that is no stream, the end is the last chunk.
 */
export class AnswerEnd extends Transform {
  readonly #options: AnswerEndOptions;
  #heldChunks: Buffer[] = [];
  #heldBytes = 0;
  /** The end of the last chunk; the beginning of the answer counts as the beginning of a line. */
  #tail = "\n";
  #state: "passing" | "holding" | "released" = "passing";
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AnswerEndOptions) {
    super();
    this.#options = options;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    if (this.#options.isStream) this.#passEvents(chunk);
    else {
      this.#pushHeld();
      this.#heldChunks = [chunk];
    }
    callback();
  }

  override _flush(callback: TransformCallback): void {
    clearTimeout(this.#timer);
    this.#options.beforeEnd().then(
      () => {
        this.#pushHeld();
        callback();
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    callback(error);
  }

  #passEvents(chunk: Buffer): void {
    if (this.#state === "released") return void this.push(chunk);
    if (this.#state === "holding") return this.#hold(chunk);
    const text = this.#tail + chunk.toString("latin1");
    const end = endEvents[this.#options.api].exec(text)?.index;
    if (end === undefined) {
      this.#tail = text.slice(-maxEventCharacters);
      this.push(chunk);
      return;
    }
    // The event may have begun in the previous chunk: then its rest is enough to hold.
    const start = Math.max(0, end - this.#tail.length);
    if (start > 0) this.push(chunk.subarray(0, start));
    this.#state = "holding";
    this.#timer = setTimeout(() => this.#release(), maxHoldMs);
    this.#hold(chunk.subarray(start));
  }

  #hold(chunk: Buffer): void {
    this.#heldChunks.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > maxHeldBytes) this.#release();
  }

  #release(): void {
    this.#state = "released";
    this.#pushHeld();
  }

  #pushHeld(): void {
    for (const chunk of this.#heldChunks) this.push(chunk);
    this.#heldChunks = [];
  }
}
