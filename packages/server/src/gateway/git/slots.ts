export interface SlotRequest {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for a slot, and the error when none becomes free. Without it the wait has no limit of its own. */
  readonly limit?: { readonly timeoutMs: number; readonly createError: () => Error } | undefined;
}

interface Waiter {
  readonly enter: () => void;
}

/** At most `size` users of each key at the same time; the others wait in the order in which they asked. */
export class Slots {
  readonly #size: number;
  readonly #usedCounts = new Map<string, number>();
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves with the slot once it is free; disposing gives it back. */
  async acquire(key: string, { signal, limit }: SlotRequest = {}): Promise<Disposable> {
    signal?.throwIfAborted();
    const usedCount = this.#usedCounts.get(key) ?? 0;
    if (usedCount < this.#size) this.#usedCounts.set(key, usedCount + 1);
    else await this.#waitForSlot(key, signal, limit);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#release(key);
        isHeld = false;
      },
    };
  }

  #waitForSlot(key: string, signal: AbortSignal | undefined, limit: SlotRequest["limit"]): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(key) ?? new Set<Waiter>();
      this.#waiters.set(key, waiters);
      const removeWaiter = () => {
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiters.get(key) === waiters) this.#waiters.delete(key);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      const waiter: Waiter = {
        enter: () => {
          removeWaiter();
          resolve();
        },
      };
      const fail = (reason: Error) => {
        removeWaiter();
        reject(reason);
      };
      const onAbort = () => fail(signal?.reason as Error);
      const timer = limit && setTimeout(() => fail(limit.createError()), limit.timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      waiters.add(waiter);
    });
  }

  /** Hands the slot to the first who waits, so that nobody who comes later can take it in between. */
  #release(key: string): void {
    const [next] = this.#waiters.get(key) ?? [];
    if (next) return next.enter();
    const remainingCount = (this.#usedCounts.get(key) ?? 1) - 1;
    if (remainingCount > 0) this.#usedCounts.set(key, remainingCount);
    else this.#usedCounts.delete(key);
  }
}
