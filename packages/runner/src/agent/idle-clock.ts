/**
 * Runs out after a time without `touch()`. It stands still while `paused()` says that the waiting is not the agent's
 * fault (a person is asked, the journal is full).
 */
export class IdleClock {
  readonly #limit: number;
  readonly #timer: NodeJS.Timeout;
  #idle = 0;

  constructor(options: { limitMs: number; paused: () => boolean; onIdle: () => void }) {
    this.#limit = options.limitMs;
    const tick = Math.max(5, Math.min(500, options.limitMs / 10));
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      // A stalled process must not count as a silent agent.
      if (!options.paused()) this.#idle += Math.min(now - last, tick * 2);
      last = now;
      if (this.#idle < this.#limit) return;
      this[Symbol.dispose]();
      options.onIdle();
    }, tick);
  }

  touch(): void {
    this.#idle = 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
