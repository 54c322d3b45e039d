/** How much may be told: a store that empties by what is told and fills again with time. */
export class Budget {
  readonly #capacity: number;
  readonly #perSecond: number;
  #left: number;
  #at = performance.now();

  constructor({ capacity, perSecond }: { capacity: number; perSecond: number }) {
    this.#capacity = capacity;
    this.#perSecond = perSecond;
    this.#left = capacity;
  }

  /** As much of the wanted as is there, taken out. */
  take(wanted: number): number {
    const now = performance.now();
    this.#left = Math.min(this.#capacity, this.#left + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    const taken = Math.min(wanted, Math.floor(this.#left));
    this.#left -= taken;
    return taken;
  }
}
