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
  readonly #used = new Map<string, number>();
  readonly #waiting = new Map<string, Set<Waiter>>();

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves with the slot once it is free; disposing gives it back. */
  async acquire(key: string, { signal, limit }: SlotRequest = {}): Promise<Disposable> {
    signal?.throwIfAborted();
    const used = this.#used.get(key) ?? 0;
    if (used < this.#size) this.#used.set(key, used + 1);
    else await this.#wait(key, signal, limit);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#release(key);
        held = false;
      },
    };
  }

  #wait(key: string, signal: AbortSignal | undefined, limit: SlotRequest["limit"]): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(key) ?? new Set<Waiter>();
      this.#waiting.set(key, waiters);
      const leave = () => {
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiting.get(key) === waiters) this.#waiting.delete(key);
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      const waiter: Waiter = {
        enter: () => {
          leave();
          resolve();
        },
      };
      const fail = (reason: Error) => {
        leave();
        reject(reason);
      };
      const abort = () => fail(signal?.reason as Error);
      const timer = limit && setTimeout(() => fail(limit.createError()), limit.timeoutMs);
      signal?.addEventListener("abort", abort, { once: true });
      waiters.add(waiter);
    });
  }

  /** Hands the slot to the first who waits, so that nobody who comes later can take it in between. */
  #release(key: string): void {
    const [next] = this.#waiting.get(key) ?? [];
    if (next) return next.enter();
    const used = (this.#used.get(key) ?? 1) - 1;
    if (used > 0) this.#used.set(key, used);
    else this.#used.delete(key);
  }
}
