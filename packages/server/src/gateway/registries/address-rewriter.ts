import { Transform, type TransformCallback } from "node:stream";

/**
 * Replaces a registry's address in its answers with the one that the runner uses, also where the
 * address is split between chunks or its slashes are escaped: package managers follow the addresses
 * that metadata contains.
 */
export class AddressRewriter extends Transform {
  readonly #spellings: readonly { readonly from: Buffer; readonly to: Buffer }[];
  #rest = Buffer.alloc(0);

  constructor(from: string, to: string) {
    super();
    const escape = (address: string) => address.replaceAll("/", "\\/");
    this.#spellings = [
      { from: Buffer.from(from), to: Buffer.from(to) },
      { from: Buffer.from(escape(from)), to: Buffer.from(escape(to)) },
    ];
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const input = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const end = this.#findEnd(input);
    this.push(this.#rewrite(input.subarray(0, end)));
    this.#rest = Buffer.from(input.subarray(end));
    done();
  }

  override _flush(done: TransformCallback): void {
    this.push(this.#rewrite(this.#rest));
    done();
  }

  /** Returns where the bytes begin that may be the first part of the address. */
  #findEnd(input: Buffer): number {
    const ends = this.#spellings.map(({ from }) => {
      const longest = Math.min(from.length - 1, input.length);
      for (let length = longest; length > 0; length--)
        if (from.subarray(0, length).equals(input.subarray(input.length - length))) return input.length - length;
      return input.length;
    });
    return Math.min(...ends);
  }

  #rewrite(input: Buffer): Buffer {
    let output = input;
    for (const { from, to } of this.#spellings) output = replaceAll(output, from, to);
    return output;
  }
}

function replaceAll(input: Buffer, from: Buffer, to: Buffer): Buffer {
  const parts: Buffer[] = [];
  let start = 0;
  for (let at = input.indexOf(from); at !== -1; at = input.indexOf(from, start)) {
    parts.push(input.subarray(start, at), to);
    start = at + from.length;
  }
  return parts.length === 0 ? input : Buffer.concat([...parts, input.subarray(start)]);
}
