const firstPauseMs = 1_000;
const maxPauseMs = 60_000;

interface FailureRecord {
  readonly count: number;
  readonly pauseEndMs: number;
}

/** Pauses that grow with each failure to create a kind of runner. */
export class Backoff {
  readonly #failures = new Map<string, FailureRecord>();

  /**
   * Returns whether this is the first failure after a success. Concurrent failures count as one.
   */
  recordFailure(key: string): boolean {
    if (this.isPausing(key)) return false;
    const failureCount = this.#failures.get(key)?.count ?? 0;
    const pauseMs = Math.min(firstPauseMs * 2 ** failureCount, maxPauseMs);
    this.#failures.set(key, { count: failureCount + 1, pauseEndMs: performance.now() + pauseMs });
    return failureCount === 0;
  }

  /** Returns whether the kind had failed before. */
  recordSuccess(key: string): boolean {
    return this.#failures.delete(key);
  }

  isPausing(key: string): boolean {
    return (this.#failures.get(key)?.pauseEndMs ?? 0) > performance.now();
  }

  /** Time until the next pause ends, in ms. */
  get remainingMs(): number {
    const nowMs = performance.now();
    const ends = [...this.#failures.values()]
      .map(({ pauseEndMs }) => pauseEndMs - nowMs)
      .filter((durationMs) => durationMs > 0);
    return Math.min(...ends, maxPauseMs);
  }
}
