import { CircuitOpenError } from "./error-class.ts";

/**
 * Keeps calls from a runner that does not answer.
 *
 * *closed*: calls pass; failures in a row are counted, and the fifth opens it. *open*: for 60 s every call is refused at
 * once. *half open*: after that one call passes as a probe, and others are refused until it is over. The probe's success
 * closes the circuit, its failure opens it for another 60 s, and a probe that its caller gave up leaves it half open for
 * the next. What began while it was closed and ends later changes nothing any more.
 */

const maxFailures = 5;
const openMs = 60_000;

export interface CircuitOptions {
  readonly runnerId: string;
  readonly now: () => number;
}

/** Leave to make one call. One of its methods is called once, and later ones do nothing. */
export interface CircuitPass {
  succeed(): void;
  fail(): void;
  /** The call ended without a word on the runner's health. */
  leave(): void;
}

export class Circuit {
  readonly #options: CircuitOptions;
  #failures = 0;
  #openUntil: number | undefined;
  #isProbing = false;
  /** Grows when the circuit opens or closes: passes of an earlier time say nothing about this one. */
  #era = 0;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /** Whether the next call would be a probe. */
  get wantsProbe(): boolean {
    return this.#getRemainingMs() === 0 && !this.#isProbing;
  }

  /** Throws a CircuitOpenError where the call may not be made. */
  enter(): CircuitPass {
    const remainingMs = this.#getRemainingMs();
    if (remainingMs !== undefined && (remainingMs > 0 || this.#isProbing))
      throw new CircuitOpenError(this.#options.runnerId, remainingMs);
    const probe = remainingMs === 0;
    if (probe) this.#isProbing = true;
    const era = this.#era;
    let settled = false;
    const createSettler = (verdict: () => void) => () => {
      if (settled) return;
      settled = true;
      if (era !== this.#era) return;
      if (probe) this.#isProbing = false;
      verdict();
    };
    return {
      succeed: createSettler(() => this.#closeCircuit()),
      fail: createSettler(() => this.#countFailure(probe)),
      leave: createSettler(() => undefined),
    };
  }

  #getRemainingMs(): number | undefined {
    return this.#openUntil === undefined ? undefined : Math.max(0, this.#openUntil - this.#options.now());
  }

  #closeCircuit(): void {
    if (this.#openUntil !== undefined) this.#era += 1;
    this.#failures = 0;
    this.#openUntil = undefined;
  }

  #countFailure(probe: boolean): void {
    this.#failures += 1;
    if (!probe && this.#failures < maxFailures) return;
    this.#openUntil = this.#options.now() + openMs;
    this.#era += 1;
  }
}
