/** Limits how many connections each runner has open at once. */
export class RunnerPlaces {
  readonly #maxPerRunner: number;
  readonly #counts = new Map<string, number>();

  constructor(maxPerRunner: number) {
    this.#maxPerRunner = maxPerRunner;
  }

  /** Returns a place until it is disposed of; undefined if the runner has no free one. */
  take(runnerId: string): Disposable | undefined {
    const count = this.#counts.get(runnerId) ?? 0;
    if (count >= this.#maxPerRunner) return undefined;
    this.#counts.set(runnerId, count + 1);
    return { [Symbol.dispose]: () => this.#leave(runnerId) };
  }

  #leave(runnerId: string): void {
    const remaining = (this.#counts.get(runnerId) ?? 1) - 1;
    if (remaining > 0) this.#counts.set(runnerId, remaining);
    else this.#counts.delete(runnerId);
  }
}
