import { Transform, type TransformCallback } from "node:stream";
import type { SecretMatcher } from "./secret-matcher.ts";

/**
 * Removes a secret from a stream of bytes, regardless of chunk boundaries. Only bytes that may be
 * the beginning of the secret are held back, so the filter delays nothing else. The replacement has
 * the secret's length, so a content-length remains valid.
 */
export class SecretFilter extends Transform {
  readonly #matcher: SecretMatcher;
  #heldBytes = Buffer.alloc(0);

  constructor(matcher: SecretMatcher) {
    super();
    this.#matcher = matcher;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    const pendingBytes = this.#heldBytes.length > 0 ? Buffer.concat([this.#heldBytes, chunk]) : chunk;
    const { bytes, heldFrom } = this.#matcher.redact(pendingBytes, { isEnd: false });
    this.#heldBytes = Buffer.from(bytes.subarray(heldFrom));
    if (heldFrom > 0) this.push(bytes.subarray(0, heldFrom));
    callback();
  }

  override _flush(callback: TransformCallback): void {
    if (this.#heldBytes.length > 0) this.push(this.#matcher.redact(this.#heldBytes, { isEnd: true }).bytes);
    callback();
  }
}
