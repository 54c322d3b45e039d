/** Wakes one loop. A ring that comes while the loop is busy is kept for its next wait. */
export class Alarm {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves with the next ring, with the signal, or after the time where one is given. */
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
