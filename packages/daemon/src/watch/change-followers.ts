import type { FsChanges } from "@wharf/contract";

/** A follower that is further behind gets a `rescan` instead of the events. */
const maxWaitingEvents = 100;

interface Follower {
  events: FsChanges[];
  wake: () => void;
}

/** Sends the watcher's events to any number of readers. A slow reader never delays the watcher. */
export class ChangeFollowers {
  readonly #followers = new Set<Follower>();

  publish(event: FsChanges): void {
    for (const follower of this.#followers) {
      if (follower.events.length < maxWaitingEvents) follower.events.push(event);
      else follower.events = [{ kind: "fs_change", changes: [], rescan: true }];
      follower.wake();
    }
  }

  /** Yields the events from now on, until the signal aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<FsChanges, void, undefined> {
    const follower: Follower = { events: [], wake: () => undefined };
    this.#followers.add(follower);
    const onAbort = () => follower.wake();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      while (!signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        follower.wake = resolve;
        if (follower.events.length === 0) await promise;
        yield* follower.events.splice(0);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#followers.delete(follower);
    }
  }
}
