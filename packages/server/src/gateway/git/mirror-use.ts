/**
 * Tracks the writers of a mirror. Fetches and pushes share it; the removal of unreachable objects
 * needs exclusive access, because new objects are unreachable until their ref is written. Readers
 * do not count: no reachable object is removed.
 */
export class MirrorUse {
  readonly #sharers = new Map<string, number>();
  readonly #claims = new Map<string, PromiseWithResolvers<void>>();

  /** Enters as one of several writers, after any removal in progress. */
  async share(id: string, signal?: AbortSignal): Promise<Disposable> {
    for (let claim = this.#claims.get(id); claim; claim = this.#claims.get(id))
      await waitForPromise(claim.promise, signal);
    signal?.throwIfAborted();
    this.#sharers.set(id, (this.#sharers.get(id) ?? 0) + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        const remainingCount = (this.#sharers.get(id) ?? 1) - 1;
        if (remainingCount > 0) this.#sharers.set(id, remainingCount);
        else this.#sharers.delete(id);
      },
    };
  }

  async runShared<T>(id: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    using _share = await this.share(id, signal);
    return await work();
  }

  /**
   * Claims exclusive access, or returns undefined while there are writers: a removal can wait for
   * the next opportunity.
   */
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

async function waitForPromise(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return promise;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
