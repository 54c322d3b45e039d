import type { Rate } from "./limits.ts";

/** Allows a burst, then a rate. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #filledAt = performance.now();

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  takeToken(): boolean {
    if (this.#tokens < 1) this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #refill(): void {
    const nowMs = performance.now();
    const earned = ((nowMs - this.#filledAt) / 1000) * this.#rate.perSecond;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + earned);
    this.#filledAt = nowMs;
  }
}
