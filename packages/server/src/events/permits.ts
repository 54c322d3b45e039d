/** Admits a limited number of holders at once; the others wait in line. */
export class Permits {
  readonly #waiters: (() => void)[] = [];
  #freeCount: number;

  constructor(count: number) {
    this.#freeCount = count;
  }

  /** Resolves when there is room. Disposing of the permit admits the next waiter. */
  async acquire(): Promise<Disposable> {
    if (this.#freeCount > 0) this.#freeCount--;
    else await new Promise<void>((resolve) => this.#waiters.push(resolve));
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        const next = this.#waiters.shift();
        if (next) next();
        else this.#freeCount++;
      },
    };
  }
}
