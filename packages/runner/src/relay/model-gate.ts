import { once } from "node:events";

/**
 * Holds requests to models back while it is closed, for as long as that takes: they are neither refused nor lost. Those
 * that were let through before go on, and can be waited for.
 */
export class ModelGate {
  #through = 0;
  #opened: PromiseWithResolvers<void> | undefined;
  readonly #left = new EventTarget();

  /** Whether the request is for a model, in any spelling that the gateway would take for one. */
  static concerns(path: string): boolean {
    return /^\/+models(?:\/|$)/i.test(path);
  }

  close(): void {
    this.#opened ??= Promise.withResolvers();
  }

  open(): void {
    this.#opened?.resolve();
    this.#opened = undefined;
  }

  /** Resolves when the request may leave; the caller disposes of what it gets when the request is over. Rejects with the signal. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    while (this.#opened) {
      const { promise } = this.#opened;
      using waiting = new Waiting(signal);
      await Promise.race([promise, waiting.aborted]);
    }
    signal.throwIfAborted();
    this.#through++;
    return {
      [Symbol.dispose]: () => {
        this.#through--;
        if (this.#through === 0) this.#left.dispatchEvent(new Event("empty"));
      },
    };
  }

  /** Waits for the requests that are out, no longer than the limit and the signal let it; answers how many still are. */
  async drained(limitMs: number, signal: AbortSignal): Promise<number> {
    if (this.#through === 0 || signal.aborted) return this.#through;
    const end = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    await once(this.#left, "empty", { signal: end }).catch(() => undefined);
    return this.#through;
  }
}

/** A signal to be waited for that leaves no listener behind. */
class Waiting implements Disposable {
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
