import { CircuitOpenError } from "./error-class.ts";

/**
 * Stops calls to a runner that does not answer.
 *
 * *closed*: calls pass; consecutive failures are counted, and the fifth opens the circuit. *open*:
 * every call is refused at once for 60 s. *half open*: after that one call passes as a probe, and
 * others are refused until it ends. The probe's success closes the circuit, its failure opens it
 * for another 60 s, and a probe that its caller aborts leaves it half open for the next. A call
 * that began before the circuit last opened or closed has no effect on it.
 */

const maxFailures = 5;
const openMs = 60_000;

export interface CircuitOptions {
  readonly runnerId: string;
  readonly now: () => number;
}

/**
 * Permission to make one call. The first call of one of its methods counts; later ones do nothing.
 */
export interface CircuitPass {
  succeed(): void;
  fail(): void;
  /** The call ended without evidence of the runner's health. */
  leave(): void;
}

export class Circuit {
  readonly #options: CircuitOptions;
  #failures = 0;
  #openUntil: number | undefined;
  #isProbing = false;
  /** Grows when the circuit opens or closes: passes of an earlier era are ignored. */
  #era = 0;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /** Whether the next call would be a probe. */
  get wantsProbe(): boolean {
    return this.#getRemainingMs() === 0 && !this.#isProbing;
  }

  /** Throws a CircuitOpenError if the call may not be made. */
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
