import { waitAtMost } from "./wait-at-most.ts";

/** This part of the grace period is reserved for the process to exit. */
const exitMs = 500;

/**
 * Divides the daemon's shutdown time between the steps. Parts are fractions of the whole: part 0.3
 * ends when 30 % of the time has passed.
 */
export class StopBudget {
  readonly totalMs: number;
  readonly #begun = performance.now();

  /** @param graceMs how long the backend waits between SIGTERM and SIGKILL */
  constructor(graceMs: number) {
    this.totalMs = Math.max(graceMs - exitMs, graceMs / 2);
  }

  /** Returns the time until the end of this part in ms. */
  getRemainingMs(part: number): number {
    return Math.max(0, this.totalMs * part - (performance.now() - this.#begun));
  }

  /**
   * Waits for a step, at the latest until the end of this part. A failed step does not prevent the
   * next one.
   */
  async waitForStep(part: number, step: Promise<unknown>): Promise<void> {
    await waitAtMost(
      step.catch(() => undefined),
      this.getRemainingMs(part),
    );
  }
}
