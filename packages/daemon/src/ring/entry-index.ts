/**
 * EntryIndex keeps the offsets and lengths of the current entries, oldest first, to decide what to
 * drop.
 */
export class EntryIndex {
  #offsets: number[] = [];
  #lengths: number[] = [];
  #head = 0;
  #bytes = 0;

  get count(): number {
    return this.#offsets.length - this.#head;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Returns the offset of the oldest entry, or undefined. */
  get first(): number | undefined {
    return this.#offsets[this.#head];
  }

  push(offset: number, length: number): void {
    this.#offsets.push(offset);
    this.#lengths.push(length);
    this.#bytes += length;
  }

  shift(): void {
    if (this.count === 0) return;
    this.#bytes -= this.#lengths[this.#head] ?? 0;
    this.#head += 1;
    // Dropped space is freed only occasionally: freeing it each time would move all remaining
    // entries.
    if (this.#head < 1024 || this.#head * 2 < this.#offsets.length) return;
    this.#offsets = this.#offsets.slice(this.#head);
    this.#lengths = this.#lengths.slice(this.#head);
    this.#head = 0;
  }

  clear(): void {
    this.#offsets = [];
    this.#lengths = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
