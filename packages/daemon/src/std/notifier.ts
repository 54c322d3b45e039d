/** Wakes any number of waiters. A wait that begins after a notification misses it. */
export class Notifier {
  readonly #listeners = new Set<() => void>();

  notify(): void {
    const pendingListeners = [...this.#listeners];
    this.#listeners.clear();
    for (const wake of pendingListeners) wake();
  }

  /**
   * Resolves at the next notification; rejects with the signal's reason if the signal aborts first.
   */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onNotify = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#listeners.delete(onNotify);
        reject(signal?.reason);
      };
      this.#listeners.add(onNotify);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
