import { Transform, type TransformCallback } from "node:stream";

/**
 * Takes a secret out of bytes that flow past, wherever chunks are cut. Only bytes that may be the beginning of the
 * secret are held back, so nothing else is ever delayed. The replacement has the secret's length: a content-length stays true.
 */
export class SecretFilter extends Transform {
  readonly #secrets: readonly Buffer[];
  #held = Buffer.alloc(0);

  constructor(secret: string) {
    super();
    this.#secrets = formsOf(secret);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const clean = this.#replace(bytes);
    const keep = this.#possibleBeginning(clean);
    this.#held = Buffer.from(clean.subarray(clean.length - keep));
    if (clean.length > keep) this.push(clean.subarray(0, clean.length - keep));
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#held.length > 0) this.push(this.#held);
    done();
  }

  #replace(bytes: Buffer): Buffer {
    let clean = bytes;
    for (const secret of this.#secrets) {
      for (let at = clean.indexOf(secret); at >= 0; at = clean.indexOf(secret, at + secret.length)) {
        if (clean === bytes) clean = Buffer.from(bytes);
        clean.fill("*", at, at + secret.length);
      }
    }
    return clean;
  }

  /** Length of the longest end of these bytes that a secret begins with. */
  #possibleBeginning(bytes: Buffer): number {
    let longest = 0;
    for (const secret of this.#secrets) {
      for (let length = Math.min(secret.length - 1, bytes.length); length > longest; length--) {
        if (bytes.compare(secret, 0, length, bytes.length - length) === 0) longest = length;
      }
    }
    return longest;
  }
}

/** The secret as it stands in text, in JSON, in an address and in base64; longest first, so that no form hides in another. */
function formsOf(secret: string): Buffer[] {
  if (secret === "") return [];
  const forms = new Set([
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64").replace(/=+$/, ""),
  ]);
  return [...forms].map((form) => Buffer.from(form)).toSorted((a, b) => b.length - a.length);
}

/** The same for a short text, such as a header's value. */
export function withoutSecret(text: string, secret: string): string {
  return formsOf(secret).reduce((clean, form) => clean.replaceAll(form.toString(), "*".repeat(form.length)), text);
}
