import { InterruptedError, registerWork } from "../interrupts.ts";

/** One Ctrl-C can arrive twice: from the terminal, and from the launcher or npm that pass on what they got. */
const sameGestureMs = 400; // ms

/**
 * Ctrl-C while a command runs in a runner.
 *
 * *listening* → SIGINT → *forwarded*: the command hears it, and what it does with it is its own affair. Where it cannot be
 * told, and at the next SIGINT, → *left*: `signal` is aborted, with which the command ends. SIGTERM, SIGHUP and a lost output
 * leave at once.
 */
export class CommandInterrupts implements Disposable {
  readonly #controller = new AbortController();
  readonly #signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  #forward: (() => Promise<void>) | undefined;
  readonly #registration: Disposable;
  #forwardedAt: number | undefined;

  constructor() {
    this.#registration = registerWork(this);
    for (const signal of this.#signals) process.on(signal, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Who tells the command. */
  forwardTo(sendInterrupt: () => Promise<void>): void {
    this.#forward = sendInterrupt;
  }

  interrupt(reason: InterruptedError): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#registration[Symbol.dispose]();
    for (const signal of this.#signals) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const abort = () => this.interrupt(new InterruptedError(signal));
    if (signal !== "SIGINT" || !this.#forward) return abort();
    const nowMs = performance.now();
    if (this.#forwardedAt === undefined) {
      this.#forwardedAt = nowMs;
      this.#forward().catch(abort);
    } else if (nowMs - this.#forwardedAt > sameGestureMs) abort();
  };
}
