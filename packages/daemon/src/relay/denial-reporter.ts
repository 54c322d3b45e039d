import type { EventDataByKind } from "@wharf/contract";

// Each host is reported once in this period.
const quietMs = 60_000;
const maxHosts = 1_000;

/** Reports the forbidden hosts that programs request, each at most once a minute. */
export class DenialReporter {
  readonly #onDenied: (denied: EventDataByKind<"denied">) => void;
  readonly #reportedAt = new Map<string, number>();

  constructor(onDenied: (denied: EventDataByKind<"denied">) => void) {
    this.#onDenied = onDenied;
  }

  report(host: string): void {
    const currentTime = performance.now();
    for (const [reportedHost, time] of this.#reportedAt) {
      // The map's order puts the oldest entries first.
      if (currentTime - time < quietMs) break;
      this.#reportedAt.delete(reportedHost);
    }
    if (this.#reportedAt.has(host) || this.#reportedAt.size >= maxHosts) return;
    this.#reportedAt.set(host, currentTime);
    this.#onDenied({
      kind: "denied",
      host,
      reason: "only models and the task's repository can be reached from a runner",
    });
  }
}
