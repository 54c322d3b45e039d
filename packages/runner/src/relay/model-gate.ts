import { once } from "node:events";

/**
 * Holds requests to models back while it is closed, for as long as that takes: they are neither refused nor lost. Those
 * that were let through before go on, and can be waited for.
 */
export class ModelGate {
  #activeCount = 0;
  #reopening: PromiseWithResolvers<void> | undefined;
  readonly #drainEvents = new EventTarget();

  /** Whether the request is for a model, in any spelling that the gateway would take for one. */
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

  /** Resolves when the request may leave; the caller disposes of what it gets when the request is over. Rejects with the signal. */
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

  /** Waits for the requests that are out, no longer than the limit and the signal let it; answers how many still are. */
  async waitForDrain(limitMs: number, signal: AbortSignal): Promise<number> {
    if (this.#activeCount === 0 || signal.aborted) return this.#activeCount;
    const end = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    await once(this.#drainEvents, "empty", { signal: end }).catch(() => undefined);
    return this.#activeCount;
  }
}

/** A signal to be waited for that leaves no listener behind. */
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
