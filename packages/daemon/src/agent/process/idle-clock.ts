/**
 * IdleClock fires after a time without `touch()`. The clock pauses while `isPaused()` reports that
 * the wait is not the agent's fault (a person is asked, the journal is full).
 */
export class IdleClock {
  readonly #limitMs: number;
  readonly #timer: NodeJS.Timeout;
  #idleMs = 0;

  constructor(options: { limitMs: number; isPaused: () => boolean; onIdle: () => void }) {
    this.#limitMs = options.limitMs;
    const tickMs = Math.max(5, Math.min(500, options.limitMs / 10));
    let lastTick = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      // A stalled daemon must not count as a silent agent.
      if (!options.isPaused()) this.#idleMs += Math.min(now - lastTick, tickMs * 2);
      lastTick = now;
      if (this.#idleMs < this.#limitMs) return;
      this[Symbol.dispose]();
      options.onIdle();
    }, tickMs);
  }

  reset(): void {
    this.#idleMs = 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
