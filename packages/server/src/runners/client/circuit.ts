import { CircuitOpenError } from "./error-class.ts";

/**
 * Keeps calls from a runner that does not answer.
 *
 * *closed*: calls pass; failures in a row are counted, and the fifth opens it. *open*: for 60 s every call is refused at
 * once. *half open*: after that one call passes as a probe, and others are refused until it is over. The probe's success
 * closes the circuit, its failure opens it for another 60 s, and a probe that its caller gave up leaves it half open for
 * the next. What began while it was closed and ends later changes nothing any more.
 */

const failuresToOpen = 5;
const openMs = 60_000;

export interface CircuitOptions {
  readonly runnerId: string;
  readonly now: () => number;
}

/** Leave to make one call. One of its methods is called once, and later ones do nothing. */
export interface Pass {
  succeed(): void;
  fail(): void;
  /** The call ended without a word on the runner's health. */
  leave(): void;
}

export class Circuit {
  readonly #options: CircuitOptions;
  #failures = 0;
  #openUntil: number | undefined;
  #probing = false;
  /** Grows when the circuit opens or closes: passes of an earlier time say nothing about this one. */
  #era = 0;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /** Whether the next call would be a probe. */
  get wantsProbe(): boolean {
    return this.#left() === 0 && !this.#probing;
  }

  /** Throws a CircuitOpenError where the call may not be made. */
  enter(): Pass {
    const left = this.#left();
    if (left !== undefined && (left > 0 || this.#probing)) throw new CircuitOpenError(this.#options.runnerId, left);
    const probe = left === 0;
    if (probe) this.#probing = true;
    const era = this.#era;
    let settled = false;
    const settle = (verdict: () => void) => () => {
      if (settled) return;
      settled = true;
      if (era !== this.#era) return;
      if (probe) this.#probing = false;
      verdict();
    };
    return {
      succeed: settle(() => this.#close()),
      fail: settle(() => this.#count(probe)),
      leave: settle(() => undefined),
    };
  }

  #left(): number | undefined {
    return this.#openUntil === undefined ? undefined : Math.max(0, this.#openUntil - this.#options.now());
  }

  #close(): void {
    if (this.#openUntil !== undefined) this.#era += 1;
    this.#failures = 0;
    this.#openUntil = undefined;
  }

  #count(probe: boolean): void {
    this.#failures += 1;
    if (!probe && this.#failures < failuresToOpen) return;
    this.#openUntil = this.#options.now() + openMs;
    this.#era += 1;
  }
}
