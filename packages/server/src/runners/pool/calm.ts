/** Others may be about to claim, and who claimed has work to do: what takes a runner's place is made a little later. */
const calmMs = 1_000;
/** But not later than this, however often somebody claims. */
const atLatestMs = 5_000;

/** When what was claimed may be made anew. */
export class Calm {
  #from: number | undefined;
  #until = 0;

  claimed(): void {
    const now = performance.now();
    this.#from ??= now;
    this.#until = Math.min(now + calmMs, this.#from + atLatestMs);
  }

  /** How long to wait still, in ms. */
  get left(): number {
    const left = Math.max(0, this.#until - performance.now());
    if (left === 0) this.#from = undefined;
    return left;
  }
}
