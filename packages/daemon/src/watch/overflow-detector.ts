import { readFileSync } from "node:fs";

// The kernel's queue holds this many events by default.
const defaultQueueLength = 16_384;

/**
 * Detects when the kernel may have dropped events. The kernel drops events when its queue is full,
 * and neither Node nor any watcher on npm reports that. A full queue is then read all at once, so
 * that many events within one turn of the event loop are the sign. Half of that number is enough,
 * as some events of the queue never arrive here.
 */
export class OverflowDetector {
  readonly #limit: number;
  #count = 0;
  #counting = false;

  constructor(limit = Math.floor(getQueueLength() / 2)) {
    this.#limit = limit;
  }

  /** Counts an event and returns whether it exceeds the limit. */
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
    // The system is not Linux, or the sandbox hides the file.
    return defaultQueueLength;
  }
}
