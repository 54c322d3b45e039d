import { Transform, type TransformCallback } from "node:stream";
import { ChunkRedactor, type ChunkRedactorOptions } from "./chunk-redactor.ts";

/**
 * Removes secrets from a stream of bytes, regardless of chunk boundaries. Only bytes that may be
 * the beginning of a secret are held back, so the filter delays nothing else. The replacement has
 * the secret's length, so a content-length remains valid.
 */
export class SecretFilter extends Transform {
  readonly #redactor: ChunkRedactor;

  constructor(options: ChunkRedactorOptions) {
    super();
    this.#redactor = new ChunkRedactor(options);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    const bytes = this.#redactor.redact(chunk);
    if (bytes.length > 0) this.push(bytes);
    callback();
  }

  override _flush(callback: TransformCallback): void {
    const bytes = this.#redactor.end();
    if (bytes.length > 0) this.push(bytes);
    callback();
  }
}
