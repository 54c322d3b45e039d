/** What of the grace is left for the process to exit, in ms. */
const exitMs = 500;

/** The time that a daemon has to end, shared out between the steps of its end. Parts are of the whole: 0.3 is not over before 30 % are. */
export class StopBudget {
  readonly totalMs: number;
  readonly #begun = performance.now();

  /** @param graceMs how long the backend waits between SIGTERM and SIGKILL */
  constructor(graceMs: number) {
    this.totalMs = Math.max(graceMs - exitMs, graceMs / 2);
  }

  /** What is left until this part is over, in ms. */
  getRemainingMs(part: number): number {
    return Math.max(0, this.totalMs * part - (performance.now() - this.#begun));
  }

  /** Waits for a step until this part is over at the latest. A failed step does not keep the next one from being taken. */
  async waitForStep(part: number, step: Promise<unknown>): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, this.getRemainingMs(part));
    await Promise.race([step.catch(() => undefined), timeout.promise]);
    clearTimeout(timer);
  }
}
