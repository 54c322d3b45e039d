/** Lets actions of the same key wait for each other, in the order they came. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const previous = this.#last.get(key) ?? Promise.resolve();
    const current = previous.then(action);
    // How it ends is its caller's matter, not the next one's.
    const completion = current.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, completion);
    try {
      return await current;
    } finally {
      if (this.#last.get(key) === completion) this.#last.delete(key);
    }
  }
}
