import type { EventDataByKind } from "@wharf/contract";

const quietMs = 60_000; // ms in which a host is told of once
const maxHosts = 1_000;

/** Tells of the hosts that a program asked for and may not reach, each at most once a minute. */
export class DenialReporter {
  readonly #onDenied: (denied: EventDataByKind<"denied">) => void;
  readonly #reportedAt = new Map<string, number>();

  constructor(onDenied: (denied: EventDataByKind<"denied">) => void) {
    this.#onDenied = onDenied;
  }

  report(host: string): void {
    const currentTime = performance.now();
    for (const [reportedHost, time] of this.#reportedAt) {
      // The oldest stand first.
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
