import type { Notifications } from "./notifications.ts";

/**
 * Limit of names in each of the two sets below. Beyond it the oldest is dropped; its owner notices
 * at its next poll.
 */
const maxNames = 10_000;

/**
 * Wakes loops that wait for work, by name or all together. Every loop also polls without a wakeup.
 *
 * - A name that is poked while its owner works is kept, so its owner's next sleep ends at once.
 * - With `Notifications` a poke also reaches the other processes on the database, and theirs reach
 *   this one. Names with a colon (`drain:<run>`) concern this process alone.
 * - After notifications may have been lost, every loop wakes, and each busy one polls once more.
 */
export class Wakeup {
  readonly #notifications: Notifications | undefined;
  readonly #sleepers = new Map<string, Set<() => void>>();
  /** Names that were poked while their owner worked. */
  readonly #pokedNames = new Set<string>();
  /** Names whose owner has slept before and works now. */
  readonly #activeNames = new Set<string>();

  constructor(notifications?: Notifications) {
    this.#notifications = notifications;
    notifications?.subscribe({
      onWakeup: (name) => (name === undefined ? this.#wakeAll() : this.#wake(name)),
      onMissed: () => this.#wakeAll(),
    });
  }

  /**
   * Ends at the next poke for the name, after `ms`, or when the signal aborts, whichever comes
   * first.
   */
  async sleep(name: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#pokedNames.delete(name)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const sleepers = this.#sleepers.get(name) ?? new Set();
    this.#sleepers.set(name, sleepers.add(resolve));
    this.#activeNames.delete(name);
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort);
    await promise;
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
    sleepers.delete(resolve);
    if (sleepers.size === 0 && this.#sleepers.get(name) === sleepers) this.#sleepers.delete(name);
    if (!signal.aborted) addName(this.#activeNames, name);
  }

  poke(name?: string): void {
    if (name === undefined) this.#wakeAll();
    else this.#wake(name);
    if (name === undefined || !name.includes(":")) this.#notifications?.publishWakeup(name);
  }

  #wake(name: string): void {
    const sleepers = this.#sleepers.get(name);
    if (sleepers) for (const wake of sleepers) wake();
    else addName(this.#pokedNames, name);
  }

  #wakeAll(): void {
    for (const sleepers of this.#sleepers.values()) for (const wake of sleepers) wake();
    for (const name of this.#activeNames) addName(this.#pokedNames, name);
  }
}

function addName(names: Set<string>, name: string): void {
  names.delete(name);
  names.add(name);
  const [oldest] = names;
  if (names.size > maxNames && oldest !== undefined) names.delete(oldest);
}
