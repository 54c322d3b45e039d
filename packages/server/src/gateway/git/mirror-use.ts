/**
 * Who writes into a mirror. Fetches and pushes share it; removing unreachable objects needs it alone, because objects
 * that have just arrived are unreachable until their ref is written. Readers do not count: nothing reachable is removed.
 */
export class MirrorUse {
  readonly #sharers = new Map<string, number>();
  readonly #claims = new Map<string, PromiseWithResolvers<void>>();

  /** Enters as one of several writers, after a removal under way. */
  async share(id: string, signal?: AbortSignal): Promise<Disposable> {
    for (let claim = this.#claims.get(id); claim; claim = this.#claims.get(id)) await waitFor(claim.promise, signal);
    signal?.throwIfAborted();
    this.#sharers.set(id, (this.#sharers.get(id) ?? 0) + 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        const left = (this.#sharers.get(id) ?? 1) - 1;
        if (left > 0) this.#sharers.set(id, left);
        else this.#sharers.delete(id);
      },
    };
  }

  async runShared<T>(id: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    using _share = await this.share(id, signal);
    return await work();
  }

  /** Takes the mirror alone, or nothing while somebody writes: a removal can wait for the next occasion. */
  claim(id: string): Disposable | undefined {
    if (this.#sharers.has(id) || this.#claims.has(id)) return undefined;
    const claim = Promise.withResolvers<void>();
    this.#claims.set(id, claim);
    return {
      [Symbol.dispose]: () => {
        this.#claims.delete(id);
        claim.resolve();
      },
    };
  }
}

async function waitFor(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return promise;
  signal.throwIfAborted();
  const { promise: left, reject } = Promise.withResolvers<never>();
  const leave = () => reject(signal.reason as Error);
  signal.addEventListener("abort", leave, { once: true });
  try {
    await Promise.race([promise, left]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
