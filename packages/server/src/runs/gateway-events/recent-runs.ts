const maxRuns = 1_000;

/** An entry per run, in bounded memory: the least recently used run is forgotten first. */
export class RecentRuns<T> {
  readonly #entries = new Map<string, T>();
  readonly #create: () => T;

  constructor(create: () => T) {
    this.#create = create;
  }

  /** Returns the run's entry, after creating a missing one. */
  get(runId: string): T {
    const entry = this.#entries.get(runId) ?? this.#create();
    this.#entries.delete(runId);
    this.#entries.set(runId, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > maxRuns && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }

  find(runId: string): T | undefined {
    return this.#entries.get(runId);
  }
}
