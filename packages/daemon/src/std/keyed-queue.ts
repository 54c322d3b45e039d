/** Runs actions of the same key one after the other, in the order of their calls. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const previous = this.#last.get(key) ?? Promise.resolve();
    const current = previous.then(action);
    // A failure belongs to its caller and does not affect the next action.
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
