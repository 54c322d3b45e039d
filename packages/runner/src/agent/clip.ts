/** Text of one event, in bytes. */
const maxEventBytes = 256 * 1024;

const maxDepth = 32;
/** What a value costs besides its text. */
const overhead = 8;

/**
 * A budget of bytes that the untrusted parts of one event share. What does not fit is cut, with a mark that says how
 * much is gone.
 */
export class Budget {
  #left: number;

  constructor(bytes = maxEventBytes) {
    this.#left = bytes;
  }

  get spent(): boolean {
    return this.#left <= 0;
  }

  text(value: string, most = Number.POSITIVE_INFINITY): string {
    const room = Math.max(0, Math.min(most, this.#left));
    const bytes = Buffer.byteLength(value);
    this.#left -= Math.min(bytes, room) + overhead;
    if (bytes <= room) return value;
    const kept = Buffer.from(value)
      .subarray(0, room)
      .toString()
      .replace(/\uFFFD$/, "");
    return `${kept}… [${bytes - room} bytes cut]`;
  }

  /** A copy of any JSON value that fits; arrays and objects lose their last entries. */
  value(value: unknown, depth = 0): unknown {
    if (typeof value === "string") return this.text(value);
    this.#left -= overhead;
    if (typeof value !== "object" || value === null) return value;
    if (depth >= maxDepth) return "… [too deep]";
    if (Array.isArray(value)) {
      const kept: unknown[] = [];
      for (const one of value) {
        if (this.spent) break;
        kept.push(this.value(one, depth + 1));
      }
      return kept;
    }
    return this.record(value, depth);
  }

  record(value: object, depth = 0): Record<string, unknown> {
    const kept: [string, unknown][] = [];
    for (const [key, one] of Object.entries(value)) {
      if (this.spent) break;
      kept.push([this.text(key, 1_024), this.value(one, depth + 1)]);
    }
    return Object.fromEntries(kept);
  }
}

/** Cuts a text into pieces of at most so many bytes, never within a character. */
export function* pieces(text: string, bytes = maxEventBytes): Generator<string> {
  if (text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes) {
    yield text;
    return;
  }
  const all = Buffer.from(text);
  for (let from = 0; from < all.length;) {
    const to = characterEnd(all, Math.min(from + bytes, all.length));
    yield all.toString("utf8", from, to);
    from = to;
  }
}

/** The last place at or before `end` where UTF-8 text may be cut. */
export function characterEnd(buffer: Buffer, end: number): number {
  if (end >= buffer.length) return buffer.length;
  let at = end;
  while (at > 0 && end - at < 4 && ((buffer[at] ?? 0) & 0xc0) === 0x80) at--;
  return at > 0 && ((buffer[at] ?? 0) & 0xc0) !== 0x80 ? at : end;
}

/** A copy whose texts every reader can store: no NUL (PostgreSQL refuses it) and no half surrogates. */
export function storable<T>(value: T): T;
export function storable(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed().replaceAll("\0", "\uFFFD");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => storable(one));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [storable(key), storable(one)]));
}
