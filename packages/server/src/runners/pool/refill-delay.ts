/** Others may be about to claim, and who claimed has work to do: what takes a runner's place is made a little later. */
const refillDelayMs = 1_000;
/** But not later than this, however often somebody claims. */
const maxRefillDelayMs = 5_000;

/** When what was claimed may be made anew. */
export class RefillDelay {
  #startMs: number | undefined;
  #endMs = 0;

  recordClaim(): void {
    const nowMs = performance.now();
    this.#startMs ??= nowMs;
    this.#endMs = Math.min(nowMs + refillDelayMs, this.#startMs + maxRefillDelayMs);
  }

  /** How long to wait still, in ms. */
  get remainingMs(): number {
    const durationMs = Math.max(0, this.#endMs - performance.now());
    if (durationMs === 0) this.#startMs = undefined;
    return durationMs;
  }
}
