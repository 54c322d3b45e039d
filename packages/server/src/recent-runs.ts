const maxRuns = 1_000;

/** Something about each run, in bounded memory: the run that was asked about least recently is forgotten first. */
export class RecentRuns<T> {
  readonly #entries = new Map<string, T>();
  readonly #create: () => T;

  constructor(create: () => T) {
    this.#create = create;
  }

  /** The run's entry, made where there is none. */
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
