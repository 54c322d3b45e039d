/** Runs work one at a time for each key, in the order of the calls. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const previous = this.#last.get(key);
    const current = (async () => {
      await previous?.catch(() => undefined);
      return work();
    })();
    this.#last.set(key, current);
    try {
      return await current;
    } finally {
      if (this.#last.get(key) === current) this.#last.delete(key);
    }
  }

  isHeld(key: string): boolean {
    return this.#last.has(key);
  }
}
