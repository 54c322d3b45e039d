import { constants } from "node:os";

/** One Ctrl-C can arrive twice: from the terminal, and from the launcher or npm that pass on what they got. */
const sameGestureMs = 400;

/** The work was ended from outside: by a signal, or because nobody reads its output any more. */
export class InterruptedError extends Error {
  readonly signal: NodeJS.Signals;
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals, exitCode = 128 + constants.signals[signal]) {
    super(`interrupted by ${signal}`);
    this.name = "Interrupted";
    this.signal = signal;
    this.exitCode = exitCode;
  }
}

/** Work that ends what it began before the process exits. */
interface Interruptible {
  interrupt(reason: InterruptedError): void;
}

const activeWork = new Set<Interruptible>();

/** Registers work that a lost output interrupts, until it is disposed of. */
export function registerWork(work: Interruptible): Disposable {
  activeWork.add(work);
  return { [Symbol.dispose]: () => void activeWork.delete(work) };
}

/** Ends the work of this process; with none to end, the process itself. */
export function interruptWork(reason: InterruptedError): void {
  if (activeWork.size === 0) process.exit(reason.exitCode);
  for (const work of activeWork) work.interrupt(reason);
}

export interface InterruptsOptions {
  /** Serves others, so a lost output ends nothing. Neither does a hang-up where it was started without a terminal. */
  readonly isService?: boolean;
}

/**
 * Signals and lost outputs, while it is held. The first one aborts `signal`, and whoever works ends what it began. Another
 * Ctrl-C or SIGTERM exits at once; after `holdExit` it aborts `hurry` instead, and the process exits when all has ended.
 */
export class Interrupts implements Disposable {
  readonly #controller = new AbortController();
  readonly #hurry = new AbortController();
  readonly #signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  readonly #isService: boolean;
  readonly #ignoresHangUp: boolean;
  readonly #registration: Disposable;
  #holdsExit = false;
  #firstAt: number | undefined;

  constructor({ isService = false }: InterruptsOptions = {}) {
    // Node resets the ignored SIGHUP that `nohup` hands down. What nohup leaves to be seen is that no stream is a terminal.
    this.#ignoresHangUp = isService && ![process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
    this.#isService = isService;
    this.#registration = registerWork({ interrupt: (reason) => void (isService || this.#interrupt(reason)) });
    for (const signal of this.#signals) process.on(signal, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborted by whoever does not want to wait for an orderly end. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /** From now on this process holds what must not outlive it, such as a server, and never exits on its own accord. */
  preventExit(): void {
    this.#holdsExit = true;
  }

  #interrupt(reason: InterruptedError): void {
    if (this.#firstAt !== undefined) return;
    this.#firstAt = performance.now();
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) process.off(signal, this.#onSignal);
    // How a server ended is no matter of its outputs either.
    if (!this.#isService) this.#registration[Symbol.dispose]();
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const reason = new InterruptedError(signal);
    if (signal === "SIGHUP" && this.#ignoresHangUp) return;
    if (this.#firstAt === undefined || signal === "SIGHUP") return this.#interrupt(reason);
    if (performance.now() - this.#firstAt <= sameGestureMs) return;
    if (!this.#holdsExit) process.exit(reason.exitCode);
    this.#hurry.abort(reason);
  };
}
