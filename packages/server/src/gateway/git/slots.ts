export interface SlotRequest {
  readonly signal?: AbortSignal | undefined;
  /**
   * The wait's timeout and the error when no slot becomes free. Without this option the wait has no
   * timeout.
   */
  readonly limit?: { readonly timeoutMs: number; readonly createError: () => Error } | undefined;
}

interface Waiter {
  readonly enter: () => void;
}

/** Allows at most `size` concurrent users of each key; the others wait in request order. */
export class Slots {
  readonly #size: number;
  readonly #usedCounts = new Map<string, number>();
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves with the slot once it is free; disposing releases it. */
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

  /** Passes the slot to the first waiter, so that a later caller cannot take it in between. */
  #release(key: string): void {
    const [next] = this.#waiters.get(key) ?? [];
    if (next) return next.enter();
    const remainingCount = (this.#usedCounts.get(key) ?? 1) - 1;
    if (remainingCount > 0) this.#usedCounts.set(key, remainingCount);
    else this.#usedCounts.delete(key);
  }
}
