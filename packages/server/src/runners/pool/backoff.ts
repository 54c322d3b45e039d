const firstPause = 1_000; // ms
const longestPause = 60_000; // ms

interface Failures {
  readonly count: number;
  readonly until: number;
}

/** Pauses that grow, for each kind of runner that could not be made. */
export class Backoff {
  readonly #failures = new Map<string, Failures>();

  /** Whether it is the first failure after a success. Several that were made at once fail together as one. */
  failed(key: string): boolean {
    if (this.isPausing(key)) return false;
    const before = this.#failures.get(key)?.count ?? 0;
    const pause = Math.min(firstPause * 2 ** before, longestPause);
    this.#failures.set(key, { count: before + 1, until: performance.now() + pause });
    return before === 0;
  }

  /** Whether it had failed before. */
  succeeded(key: string): boolean {
    return this.#failures.delete(key);
  }

  isPausing(key: string): boolean {
    return (this.#failures.get(key)?.until ?? 0) > performance.now();
  }

  /** When the next pause ends, in ms from now. */
  get left(): number {
    const now = performance.now();
    const ends = [...this.#failures.values()].map(({ until }) => until - now).filter((left) => left > 0);
    return Math.min(...ends, longestPause);
  }
}
