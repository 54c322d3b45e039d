/** Names that were poked while nobody slept, at most; of those beyond it everyone finds out by themselves. */
const maxKept = 10_000;

/**
 * Lets those who wait for something to do be woken at once, by name or all together; everyone also looks by themselves now
 * and then. A poke for someone who is at work is kept: what came up behind their back is looked at before they sleep.
 */
export class Wakeup {
  readonly #sleepers = new Map<string, Set<() => void>>();
  readonly #kept = new Set<string>();

  /** Ends at the next poke for the name, after the time, or with the signal, whichever comes first. */
  async sleep(name: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#kept.delete(name)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const sleepers = this.#sleepers.get(name) ?? new Set();
    this.#sleepers.set(name, sleepers.add(resolve));
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort);
    await promise;
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
    sleepers.delete(resolve);
    if (sleepers.size === 0 && this.#sleepers.get(name) === sleepers) this.#sleepers.delete(name);
  }

  poke(name?: string): void {
    if (name === undefined) {
      for (const sleepers of this.#sleepers.values()) for (const wake of sleepers) wake();
      return;
    }
    const sleepers = this.#sleepers.get(name);
    for (const wake of sleepers ?? []) wake();
    if (sleepers) return;
    if (this.#kept.size >= maxKept) this.#kept.clear();
    this.#kept.add(name);
  }
}
