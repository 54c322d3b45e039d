/** Longer keys and values are not kept. Escapes spell a character with up to six bytes. */
const maxTokenBytes = 4096;

const wordPattern = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)$/;

/** The bytes of a key or a value, which may arrive in several chunks. */
export class TokenBuffer {
  #parts: Buffer[] = [];
  #size = 0;
  #isActive = false;

  start(): void {
    this.stop();
    this.#isActive = true;
  }

  stop(): void {
    if (this.#size > 0) this.#parts = [];
    this.#size = 0;
    this.#isActive = false;
  }

  /** Keeps a part of the token, whose end is in a later chunk. */
  add(bytes: Buffer, start: number, end: number): void {
    if (!this.#isActive || start === end) return;
    this.#size += end - start;
    // A copy, because a slice would keep the whole chunk.
    if (this.#size <= maxTokenBytes) this.#parts.push(Buffer.from(bytes.subarray(start, end)));
    else this.#parts = [];
  }

  /**
   * Ends a string with its last bytes; returns what is between the quotes, or undefined if it was
   * not kept.
   */
  endString(bytes: Buffer, start: number, end: number): string | undefined {
    const text = this.#end(bytes, start, end);
    if (text === undefined) return undefined;
    return text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
  }

  /** Ends a number, true, false or null with its last bytes. */
  endWord(bytes: Buffer, start: number, end: number): number | boolean | null | undefined | "invalid" {
    const text = this.#end(bytes, start, end);
    if (text === undefined) return undefined;
    return wordPattern.test(text) ? (JSON.parse(text) as number | boolean | null) : "invalid";
  }

  #end(bytes: Buffer, start: number, end: number): string | undefined {
    const isKept = this.#isActive && this.#size + end - start <= maxTokenBytes;
    const parts = this.#parts;
    this.stop();
    if (!isKept) return undefined;
    if (parts.length === 0) return bytes.toString("utf8", start, end);
    return Buffer.concat([...parts, bytes.subarray(start, end)]).toString();
  }
}
