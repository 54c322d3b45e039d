/** The text of one event has at most this size. */
const maxEventBytes = 256 * 1024;

const maxDepth = 32;
/** Each value costs this much besides its text. */
const valueOverheadBytes = 8;

/**
 * The untrusted parts of one event share a budget of bytes. The budget cuts values that do not fit,
 * and a mark states how much is missing.
 */
export class ByteBudget {
  #remainingBytes: number;

  constructor(bytes = maxEventBytes) {
    this.#remainingBytes = bytes;
  }

  get isSpent(): boolean {
    return this.#remainingBytes <= 0;
  }

  clipText(value: string, maxBytes = Number.POSITIVE_INFINITY): string {
    const room = Math.max(0, Math.min(maxBytes, this.#remainingBytes));
    const bytes = Buffer.byteLength(value);
    this.#remainingBytes -= Math.min(bytes, room) + valueOverheadBytes;
    if (bytes <= room) return value;
    const clipped = Buffer.from(value)
      .subarray(0, room)
      .toString()
      .replace(/\uFFFD$/, "");
    return `${clipped}… [${bytes - room} bytes cut]`;
  }

  /** Copies any JSON value within the budget; arrays and objects lose their last entries. */
  clipValue(value: unknown, depth = 0): unknown {
    if (typeof value === "string") return this.clipText(value);
    this.#remainingBytes -= valueOverheadBytes;
    if (typeof value !== "object" || value === null) return value;
    if (depth >= maxDepth) return "… [too deep]";
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const one of value) {
        if (this.isSpent) break;
        items.push(this.clipValue(one, depth + 1));
      }
      return items;
    }
    return this.clipRecord(value, depth);
  }

  clipRecord(value: object, depth = 0): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (const [key, one] of Object.entries(value)) {
      if (this.isSpent) break;
      entries.push([this.clipText(key, 1_024), this.clipValue(one, depth + 1)]);
    }
    return Object.fromEntries(entries);
  }
}

/** Splits a text into pieces of at most `bytes` bytes, never within a character. */
export function* splitText(text: string, bytes = maxEventBytes): Generator<string> {
  if (text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes) {
    yield text;
    return;
  }
  const all = Buffer.from(text);
  for (let start = 0; start < all.length;) {
    const end = getCharacterEnd(all, Math.min(start + bytes, all.length));
    yield all.toString("utf8", start, end);
    start = end;
  }
}

/** Returns the last offset at or before `end` where UTF-8 text may be cut. */
export function getCharacterEnd(buffer: Buffer, end: number): number {
  if (end >= buffer.length) return buffer.length;
  let index = end;
  while (index > 0 && end - index < 4 && ((buffer[index] ?? 0) & 0xc0) === 0x80) index--;
  return index > 0 && ((buffer[index] ?? 0) & 0xc0) !== 0x80 ? index : end;
}

/**
 * Copies a value so that every reader can store its texts: without NUL (PostgreSQL refuses it) and
 * half surrogates.
 */
export function toStorable<T>(value: T): T;
export function toStorable(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed().replaceAll("\0", "\uFFFD");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => toStorable(one));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [toStorable(key), toStorable(one)]));
}
