import { duplicateSignalMs, InterruptedError, registerWork } from "../interrupts.ts";

/**
 * Handles Ctrl-C while a command runs in a runner.
 *
 * *listening* → SIGINT → *forwarded*: the command receives the signal and decides what to do. If
 * the signal cannot be forwarded, or at the next SIGINT, → *abandoned*: `signal` is aborted, which
 * ends the command. SIGTERM, SIGHUP and a lost output abandon the command immediately.
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

  /** Sets the function that forwards an interrupt to the command. */
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
    } else if (nowMs - this.#forwardedAt > duplicateSignalMs) abort();
  };
}
