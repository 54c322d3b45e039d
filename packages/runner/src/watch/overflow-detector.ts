import { readFileSync } from "node:fs";

const defaultQueueLength = 16_384; // events that the kernel keeps where it does not say how many

/**
 * Tells when the kernel may have thrown events away. It does that when its queue is full, and neither Node nor any
 * watcher on npm says so. A full queue is then read in one go: that many events within one turn of the event loop are
 * the sign. Half of that is taken for it already, as some events of the queue are never seen here.
 */
export class OverflowDetector {
  readonly #limit: number;
  #count = 0;
  #counting = false;

  constructor(limit = Math.floor(getQueueLength() / 2)) {
    this.#limit = limit;
  }

  /** Whether the event is one too many. */
  countEvent(): boolean {
    if (!this.#counting) {
      this.#counting = true;
      setImmediate(() => {
        this.#counting = false;
        this.#count = 0;
      });
    }
    this.#count++;
    return this.#count === this.#limit;
  }
}

function getQueueLength(): number {
  try {
    return Number.parseInt(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"), 10) || defaultQueueLength;
  } catch {
    // Not on Linux, or covered in the sandbox.
    return defaultQueueLength;
  }
}
