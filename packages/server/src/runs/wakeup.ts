/** Lets those who wait for something to do be woken at once, by run or all together; everyone also looks by themselves now and then. */
export class Wakeup {
  readonly #sleepers = new Map<string, Set<() => void>>();

  /** Ends at the next poke for the name, after the time, or with the signal, whichever comes first. */
  async sleep(name: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
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
    const woken = name ? [this.#sleepers.get(name)] : [...this.#sleepers.values()];
    for (const sleepers of woken) for (const wake of sleepers ?? []) wake();
  }
}
