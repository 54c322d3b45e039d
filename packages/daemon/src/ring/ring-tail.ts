import { getEntryEnd, getDataSpan, type RingEntry } from "./ring-entry.ts";

/**
 * RingTail keeps the newest entries in memory, without gaps: all that are not on disk yet, and some
 * more for readers.
 */
export class RingTail {
  #entries: RingEntry[] = [];
  #head = 0;
  #bytes = 0;

  get first(): number | undefined {
    return this.#entries[this.#head]?.offset;
  }

  push(entry: RingEntry): void {
    this.#entries.push(entry);
    this.#bytes += getDataSpan(entry.data);
  }

  /**
   * Drops the oldest entries beyond `keepBytes` bytes, as long as their number is below `sequence`.
   */
  trim(keepBytes: number, sequence: number): void {
    for (let oldest = this.#entries[this.#head]; oldest; oldest = this.#entries[this.#head]) {
      if (this.#bytes <= keepBytes || oldest.sequence >= sequence) break;
      this.#bytes -= getDataSpan(oldest.data);
      this.#head += 1;
    }
    if (this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /**
   * Returns entries from the one that contains this offset, up to about `bytes` bytes. The first
   * may begin before it.
   */
  getEntries(offset: number, bytes: number): RingEntry[] {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry && getEntryEnd(entry) <= offset) low = middle + 1;
      else high = middle;
    }
    const result: RingEntry[] = [];
    for (let remainingBytes = bytes; remainingBytes > 0 && low < this.#entries.length; low++) {
      const entry = this.#entries[low];
      if (!entry) break;
      result.push(entry);
      remainingBytes -= getDataSpan(entry.data);
    }
    return result;
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
