import type { EventDataOf } from "@wharf/contract";

const QUIET = 60_000; // ms in which a host is told of once
const MOST_HOSTS = 1_000;

/** Tells of the hosts that a program asked for and may not reach, each at most once a minute. */
export class Denials {
  readonly #tell: (denied: EventDataOf<"denied">) => void;
  readonly #toldAt = new Map<string, number>();

  constructor(tell: (denied: EventDataOf<"denied">) => void) {
    this.#tell = tell;
  }

  deny(host: string): void {
    const now = performance.now();
    for (const [known, at] of this.#toldAt) {
      // The oldest stand first.
      if (now - at < QUIET) break;
      this.#toldAt.delete(known);
    }
    if (this.#toldAt.has(host) || this.#toldAt.size >= MOST_HOSTS) return;
    this.#toldAt.set(host, now);
    this.#tell({ kind: "denied", host, reason: "only models and the task's repository can be reached from a runner" });
  }
}
