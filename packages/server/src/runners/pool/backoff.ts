const firstPauseMs = 1_000; // ms
const maxPauseMs = 60_000; // ms

interface FailureRecord {
  readonly count: number;
  readonly pauseEndMs: number;
}

/** Pauses that grow, for each kind of runner that could not be made. */
export class Backoff {
  readonly #failures = new Map<string, FailureRecord>();

  /** Whether it is the first failure after a success. Several that were made at once fail together as one. */
  recordFailure(key: string): boolean {
    if (this.isPausing(key)) return false;
    const failureCount = this.#failures.get(key)?.count ?? 0;
    const pauseMs = Math.min(firstPauseMs * 2 ** failureCount, maxPauseMs);
    this.#failures.set(key, { count: failureCount + 1, pauseEndMs: performance.now() + pauseMs });
    return failureCount === 0;
  }

  /** Whether it had failed before. */
  recordSuccess(key: string): boolean {
    return this.#failures.delete(key);
  }

  isPausing(key: string): boolean {
    return (this.#failures.get(key)?.pauseEndMs ?? 0) > performance.now();
  }

  /** When the next pause ends, in ms from now. */
  get remainingMs(): number {
    const nowMs = performance.now();
    const ends = [...this.#failures.values()]
      .map(({ pauseEndMs }) => pauseEndMs - nowMs)
      .filter((durationMs) => durationMs > 0);
    return Math.min(...ends, maxPauseMs);
  }
}
