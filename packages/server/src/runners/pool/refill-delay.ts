/**
 * Delay refilling the pool after a claim: claims come in bursts, and starting a runner competes
 * with the run that just started.
 */
const refillDelayMs = 1_000;
/** Maximum total delay, however often claims occur. */
const maxRefillDelayMs = 5_000;

/** Computes when the pool may replace claimed runners. */
export class RefillDelay {
  #startMs: number | undefined;
  #endMs = 0;

  recordClaim(): void {
    const nowMs = performance.now();
    this.#startMs ??= nowMs;
    this.#endMs = Math.min(nowMs + refillDelayMs, this.#startMs + maxRefillDelayMs);
  }

  /** Remaining delay in ms. */
  get remainingMs(): number {
    const durationMs = Math.max(0, this.#endMs - performance.now());
    if (durationMs === 0) this.#startMs = undefined;
    return durationMs;
  }
}
