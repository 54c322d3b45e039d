import { Transform, type TransformCallback } from "node:stream";
import type { SecretMatcher } from "./secret-matcher.ts";

/**
 * Takes a secret out of bytes that flow past, wherever chunks are cut. Only bytes that may be the beginning of the
 * secret are held back, so nothing else is ever delayed. The replacement has the secret's length: a content-length stays true.
 */
export class SecretFilter extends Transform {
  readonly #matcher: SecretMatcher;
  #held = Buffer.alloc(0);

  constructor(matcher: SecretMatcher) {
    super();
    this.#matcher = matcher;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const given = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const { bytes, heldFrom } = this.#matcher.cover(given, { isEnd: false });
    this.#held = Buffer.from(bytes.subarray(heldFrom));
    if (heldFrom > 0) this.push(bytes.subarray(0, heldFrom));
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#held.length > 0) this.push(this.#matcher.cover(this.#held, { isEnd: true }).bytes);
    done();
  }
}
