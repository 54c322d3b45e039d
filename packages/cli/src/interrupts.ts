import { constants } from "node:os";

/** One Ctrl-C can arrive twice: from the terminal, and from the launcher or npm that pass on what they got. */
const sameGesture = 400; // ms

export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.name = "Interrupted";
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Ctrl-C and its like, while it is held: the first one aborts `signal`, and whoever works ends what it began; another one
 * leaves at once, unless it comes before `grace` is over.
 */
export class Interrupts implements Disposable {
  readonly #controller = new AbortController();
  readonly #signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  readonly #grace: number;
  #first: number | undefined;

  constructor(grace = sameGesture) {
    this.#grace = grace;
    for (const signal of this.#signals) process.on(signal, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (this.#first === undefined) {
      this.#first = now;
      this.#controller.abort(new Interrupted(signal));
    } else if (now - this.#first > this.#grace) process.exit(new Interrupted(signal).exitCode);
  };
}
