import { Transform, type TransformCallback } from "node:stream";
import { ChunkRedactor, type ChunkRedactorOptions } from "./chunk-redactor.ts";

/**
 * Removes secrets from a stream of bytes, regardless of chunk boundaries. Only bytes that may be
 * the beginning of a secret are held back, so the filter delays nothing else. The replacement has
 * the secret's length, so a content-length remains valid.
 */
export class SecretFilter extends Transform {
  readonly #redactor: ChunkRedactor;
  readonly #maxHeldMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** With `maxHeldMs`, held bytes pass after that time, for streams that pause and do not end. */
  constructor({ maxHeldMs, ...options }: ChunkRedactorOptions & { readonly maxHeldMs?: number | undefined }) {
    super();
    this.#redactor = new ChunkRedactor(options);
    this.#maxHeldMs = maxHeldMs;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    const bytes = this.#redactor.redact(chunk);
    if (bytes.length > 0) this.push(bytes);
    this.#setTimer();
    callback();
  }

  override _flush(callback: TransformCallback): void {
    clearTimeout(this.#timer);
    const bytes = this.#redactor.end();
    if (bytes.length > 0) this.push(bytes);
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    callback(error);
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    if (this.#maxHeldMs !== undefined && this.#redactor.heldCount > 0)
      this.#timer = setTimeout(() => this.push(this.#redactor.release()), this.#maxHeldMs);
  }
}
