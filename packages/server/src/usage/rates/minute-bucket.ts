const minuteMs = 60_000;

/**
 * An amount that may be taken in a minute. It is full at first and fills up evenly, so that work
 * may come in bursts of at most one minute's amount.
 */
export class MinuteBucket {
  readonly #size: number;
  #content: number;
  #filledAt: number;

  constructor(size: number, now: number) {
    this.#size = size;
    this.#content = size;
    this.#filledAt = now;
  }

  /**
   * Returns after how many milliseconds the amount can be taken. One that never fits needs a full
   * bucket.
   */
  getWaitMs(amount: number, now: number): number {
    this.#fill(now);
    const missing = Math.min(amount, this.#size) - this.#content;
    return Math.max(0, Math.round((missing / this.#size) * minuteMs));
  }

  /** Takes an amount, or returns a negative one. The content may fall below zero. */
  take(amount: number, now: number): void {
    this.#fill(now);
    this.#content = Math.min(this.#size, this.#content - amount);
  }

  isFull(now: number): boolean {
    return this.getWaitMs(this.#size, now) === 0;
  }

  #fill(now: number): void {
    const filled = ((now - this.#filledAt) / minuteMs) * this.#size;
    this.#content = Math.min(this.#size, this.#content + Math.max(0, filled));
    this.#filledAt = now;
  }
}
