import type { HostUse } from "../context.ts";

type Report = (use: Omit<HostUse, "name" | "port">) => void;

/**
 * Reports what a connection carries: from time to time while it is open, so that a tunnel which
 * stays open for days does not stay unseen, and at its end.
 */
export class UseReporter implements Disposable {
  bytesIn = 0;
  bytesOut = 0;
  readonly #report: Report;
  readonly #timer: NodeJS.Timeout;
  #reportedIn = 0;
  #reportedOut = 0;
  #reportedAtMs = performance.now();

  constructor(report: Report, intervalMs: number) {
    this.#report = report;
    this.#timer = setInterval(() => this.#reportUse(false), intervalMs);
  }

  #reportUse(ended: boolean): void {
    const { bytesIn, bytesOut } = this;
    if (!ended && bytesIn === this.#reportedIn && bytesOut === this.#reportedOut) return;
    const nowMs = performance.now();
    this.#report({
      bytes_in: bytesIn - this.#reportedIn,
      bytes_out: bytesOut - this.#reportedOut,
      duration_ms: Math.round(nowMs - this.#reportedAtMs),
      ended,
    });
    this.#reportedIn = bytesIn;
    this.#reportedOut = bytesOut;
    this.#reportedAtMs = nowMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#reportUse(true);
  }
}
