import { constants } from "node:os";

/**
 * A single Ctrl-C can arrive twice: from the terminal, and from the launcher or npm, which forward
 * theirs.
 */
export const duplicateSignalMs = 400;

/**
 * Reports that the work was interrupted from outside: by a signal, or because its output has lost
 * its reader.
 */
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

/** Represents work that cleans up before the process exits. */
interface Interruptible {
  interrupt(reason: InterruptedError): void;
}

const activeWork = new Set<Interruptible>();

/** Registers work that a lost output interrupts, until disposal. */
export function registerWork(work: Interruptible): Disposable {
  activeWork.add(work);
  return { [Symbol.dispose]: () => void activeWork.delete(work) };
}

/** Interrupts the registered work of this process, or exits if there is none. */
export function interruptWork(reason: InterruptedError): void {
  if (activeWork.size === 0) process.exit(reason.exitCode);
  for (const work of activeWork) work.interrupt(reason);
}

export interface InterruptsOptions {
  /**
   * Marks a service: a lost output does not interrupt it, nor does a hang-up if it was started
   * without a terminal.
   */
  readonly isService?: boolean;
}

/**
 * Listens for signals and lost outputs until disposal. The first one aborts `signal`, and the work
 * cleans up. Another Ctrl-C or SIGTERM exits immediately; after `preventExit` it aborts `hurry`
 * instead, and the process exits when everything has stopped.
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
    // Node resets the ignored SIGHUP that `nohup` passes on. The only remaining trace of nohup is
    // that no stream is a terminal.
    this.#ignoresHangUp = isService && ![process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
    this.#isService = isService;
    this.#registration = registerWork({ interrupt: (reason) => void (isService || this.#interrupt(reason)) });
    for (const signal of this.#signals) process.on(signal, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts when the user does not want to wait for an orderly end. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /**
   * From now on this process owns something that must not outlive it, such as a server, and no
   * longer exits from here.
   */
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
    // The end of a service does not depend on its outputs either.
    if (!this.#isService) this.#registration[Symbol.dispose]();
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const reason = new InterruptedError(signal);
    if (signal === "SIGHUP" && this.#ignoresHangUp) return;
    if (this.#firstAt === undefined || signal === "SIGHUP") return this.#interrupt(reason);
    if (performance.now() - this.#firstAt <= duplicateSignalMs) return;
    if (!this.#holdsExit) process.exit(reason.exitCode);
    this.#hurry.abort(reason);
  };
}
