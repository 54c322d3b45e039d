/** The offsets and lengths of the entries that are kept, oldest first: what says which of them have to go. */
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
  /** Where the oldest begins; nothing where there is none. */
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
    // What went is given back now and then: doing it each time would move all that stay.
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
