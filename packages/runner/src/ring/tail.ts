import { endOf, spanOf, type RingEntry } from "./record.ts";

/** The newest entries in memory, without a hole between them: all that is not on disk yet, and a little more for readers. */
export class Tail {
  #entries: RingEntry[] = [];
  #head = 0;
  #bytes = 0;

  get first(): number | undefined {
    return this.#entries[this.#head]?.offset;
  }

  push(entry: RingEntry): void {
    this.#entries.push(entry);
    this.#bytes += spanOf(entry.data);
  }

  /** Lets go of the oldest entries beyond so many bytes, as long as they are numbered below `sequence`. */
  trim(keepBytes: number, sequence: number): void {
    for (let oldest = this.#entries[this.#head]; oldest; oldest = this.#entries[this.#head]) {
      if (this.#bytes <= keepBytes || oldest.sequence >= sequence) break;
      this.#bytes -= spanOf(oldest.data);
      this.#head += 1;
    }
    if (this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** Entries from the one that holds this offset on, up to about so many bytes. The first may begin before it. */
  from(offset: number, bytes: number): RingEntry[] {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry && endOf(entry) <= offset) low = middle + 1;
      else high = middle;
    }
    const found: RingEntry[] = [];
    for (let left = bytes; left > 0 && low < this.#entries.length; low++) {
      const entry = this.#entries[low];
      if (!entry) break;
      found.push(entry);
      left -= spanOf(entry.data);
    }
    return found;
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
