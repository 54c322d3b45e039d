/** Lets actions of the same key wait for each other, in the order they came. */
export class OneAtATime {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const own = before.then(action);
    // How it ends is its caller's matter, not the next one's.
    const over = own.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, over);
    try {
      return await own;
    } finally {
      if (this.#last.get(key) === over) this.#last.delete(key);
    }
  }
}
