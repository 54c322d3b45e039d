import { WharfError } from "@wharf/contract";
import { type Lease, LeaseLost } from "./lease.ts";

/**
 * A step that ignores its end for this long is hung. Its lease is not renewed, so that another
 * server can take over.
 */
const hangGraceMs = 10_000;

export interface TenureStep {
  /** Named in the timeout error. */
  readonly name: string;
  readonly maxMs: number;
  /**
   * Further signals that end the step, such as a person's new request; it fails with that signal's
   * reason.
   */
  readonly signals?: readonly AbortSignal[];
}

/**
 * The time in which this process holds a lease. Everything done with the runner is a step of it.
 */
export class Tenure {
  lease: Lease;
  readonly #lost = new AbortController();
  readonly #overdueAt = new Set<{ at: number }>();
  readonly #onEnd: (tenure: Tenure, dueInMs: number | undefined) => Promise<void>;

  readonly #graceMs: number;

  constructor(
    lease: Lease,
    onEnd: (tenure: Tenure, dueInMs: number | undefined) => Promise<void>,
    graceMs: number = hangGraceMs,
  ) {
    this.lease = lease;
    this.#onEnd = onEnd;
    this.#graceMs = graceMs;
  }

  get runnerId(): string {
    return this.lease.runner_id;
  }

  /** Aborted when the lease is lost or released. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether no step has outlived its deadline. */
  get isResponsive(): boolean {
    const nowMs = performance.now();
    return [...this.#overdueAt].every(({ at: deadlineMs }) => nowMs < deadlineMs);
  }

  lose(reason: Error = new LeaseLost()): void {
    this.#lost.abort(reason);
  }

  /**
   * Releases the lease. Without a time the runner is stopped; with one, a holder is due after it.
   */
  async end(dueInMs?: number): Promise<void> {
    if (this.signal.aborted) return;
    // Releases the row first: while it names this server, a claim here finds this very tenure.
    await this.#onEnd(this, dueInMs);
    this.lose();
  }

  /**
   * Runs one step outside the database. The step ends when the lease is lost, when one of its
   * signals aborts, or with an error at its timeout. The caller continues at that moment even if
   * the work ignores its signal.
   */
  async runStep<T>({ name, maxMs, signals = [] }: TenureStep, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeoutController = new AbortController();
    const timer = setTimeout(() => timeoutController.abort(this.#createTimeoutError(name, maxMs)), maxMs);
    const signal = AbortSignal.any([this.signal, ...signals, timeoutController.signal]);
    const overdue = { at: performance.now() + maxMs + this.#graceMs };
    const ended = Promise.withResolvers<never>();
    const onAbort = () => ended.reject(signal.reason);
    this.#overdueAt.add(overdue);
    try {
      signal.throwIfAborted();
      signal.addEventListener("abort", onAbort, { once: true });
      const working = work(signal);
      working.catch(() => undefined).finally(() => this.#overdueAt.delete(overdue));
      return await Promise.race([working, ended.promise]);
    } catch (error) {
      throw signal.aborted && !timeoutController.signal.aborted ? signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      if (!signal.aborted) this.#overdueAt.delete(overdue);
    }
  }

  #createTimeoutError(phase: string, maxMs: number): WharfError {
    return new WharfError("runner_timeout", { runner_id: this.runnerId, phase, after_s: Math.round(maxMs / 1000) });
  }
}
