/** Lets any number of waiters know that something happened. A wait that was not begun before the ring misses it. */
export class Notifier {
  readonly #listeners = new Set<() => void>();

  notify(): void {
    const pendingListeners = [...this.#listeners];
    this.#listeners.clear();
    for (const wake of pendingListeners) wake();
  }

  /** Resolves at the next ring; rejects with the signal's reason when that comes first. */
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
