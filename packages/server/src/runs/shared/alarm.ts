/** Wakes one loop. A ring during the loop's work is kept for its next wait. */
export class Alarm {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves on the next ring, when the signal aborts, or after `ms` if given. */
  async wait(signal: AbortSignal, ms?: number): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      const onAbort = () => resolve();
      signal.addEventListener("abort", onAbort);
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
      // A signal may outlive thousands of waits.
      signal.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    }
    this.#isRung = false;
  }
}
