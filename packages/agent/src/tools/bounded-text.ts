const maxOutputCharacters = 30_000;

/**
 * Keeps text of any length in bounded memory: its beginning and its end, with a marker in place of
 * the middle.
 */
export class BoundedText {
  readonly #half: number;
  #head = "";
  #tail = "";
  #length = 0;

  constructor(limit = maxOutputCharacters) {
    this.#half = Math.floor(limit / 2);
  }

  append(text: string): void {
    this.#length += text.length;
    const room = this.#half - this.#head.length;
    if (room > 0) this.#head += text.slice(0, room);
    this.#tail += room > 0 ? text.slice(room) : text;
    if (this.#tail.length > 4 * this.#half) this.#tail = this.#tail.slice(-this.#half);
  }

  toString(): string {
    const tail = this.#tail.slice(-this.#half);
    const omittedCount = this.#length - this.#head.length - tail.length;
    return omittedCount > 0 ? `${this.#head}\n[… ${omittedCount} characters omitted …]\n${tail}` : this.#head + tail;
  }
}

export function toBoundedText(text: string, limit = maxOutputCharacters): string {
  const boundedText = new BoundedText(limit);
  boundedText.append(text);
  return boundedText.toString();
}
