/** Limits how much may be reported: reports take tokens, and time refills the bucket. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perSecond: number;
  #tokens: number;
  #updatedAt = performance.now();

  constructor({ capacity, perSecond }: { capacity: number; perSecond: number }) {
    this.#capacity = capacity;
    this.#perSecond = perSecond;
    this.#tokens = capacity;
  }

  /** Removes at most the requested number of tokens and returns the number removed. */
  consume(requestedCount: number): number {
    const currentTime = performance.now();
    this.#tokens = Math.min(this.#capacity, this.#tokens + ((currentTime - this.#updatedAt) / 1_000) * this.#perSecond);
    this.#updatedAt = currentTime;
    const grantedCount = Math.min(requestedCount, Math.floor(this.#tokens));
    this.#tokens -= grantedCount;
    return grantedCount;
  }
}
