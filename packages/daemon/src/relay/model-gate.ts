import { once } from "node:events";

/**
 * Delays requests to models while the gate is closed, for any length of time: they are neither
 * refused nor lost. Requests that passed before continue, and callers can wait for them.
 */
export class ModelGate {
  #activeCount = 0;
  #reopening: PromiseWithResolvers<void> | undefined;
  readonly #drainEvents = new EventTarget();

  /** Returns whether the request is for a model, in any spelling that the gateway accepts. */
  static isModelPath(path: string): boolean {
    return /^\/+models(?:\/|$)/i.test(path);
  }

  close(): void {
    this.#reopening ??= Promise.withResolvers();
  }

  open(): void {
    this.#reopening?.resolve();
    this.#reopening = undefined;
  }

  /**
   * Resolves when the request may leave; the caller disposes of the result when the request is
   * over. Rejects with the signal.
   */
  async enter(signal: AbortSignal): Promise<Disposable> {
    while (this.#reopening) {
      const { promise } = this.#reopening;
      using abortWait = new AbortWait(signal);
      await Promise.race([promise, abortWait.aborted]);
    }
    signal.throwIfAborted();
    this.#activeCount++;
    return {
      [Symbol.dispose]: () => {
        this.#activeCount--;
        if (this.#activeCount === 0) this.#drainEvents.dispatchEvent(new Event("empty"));
      },
    };
  }

  /**
   * Waits for the requests in flight until the limit or the signal ends the wait; returns how many
   * remain.
   */
  async waitForDrain(limitMs: number, signal: AbortSignal): Promise<number> {
    if (this.#activeCount === 0 || signal.aborted) return this.#activeCount;
    const end = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    await once(this.#drainEvents, "empty", { signal: end }).catch(() => undefined);
    return this.#activeCount;
  }
}

/** Turns a signal into a promise and leaves no listener behind. */
class AbortWait implements Disposable {
  readonly aborted: Promise<never>;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;

  constructor(signal: AbortSignal) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.aborted = promise;
    this.#signal = signal;
    this.#onAbort = () => reject(signal.reason);
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort);
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}
