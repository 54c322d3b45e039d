/** A pipe in memory: who writes waits for who reads, and hears when nobody reads any more. */
export class Channel<T> implements AsyncIterable<T> {
  readonly #capacity: number;
  readonly #values: T[] = [];
  #state: "open" | "ended" | "left" = "open";
  #changed = Promise.withResolvers<void>();

  constructor(capacity = 16) {
    this.#capacity = capacity;
  }

  /** Resolves when there is room for more; false where nobody reads. */
  async put(value: T): Promise<boolean> {
    if (this.#state !== "open") return false;
    this.#values.push(value);
    this.#change();
    while (this.#isFull()) await this.#changed.promise;
    return this.#isRead();
  }

  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#change();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        const [value] = this.#values.splice(0, 1);
        if (value !== undefined) {
          this.#change();
          yield value;
        } else if (this.#state !== "open") return;
        else await this.#changed.promise;
      }
    } finally {
      this.#state = "left";
      this.#change();
    }
  }

  #isFull(): boolean {
    return this.#state === "open" && this.#values.length >= this.#capacity;
  }

  #isRead(): boolean {
    return this.#state !== "left";
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
