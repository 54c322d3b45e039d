import { setTimeout as wait } from "node:timers/promises";

/** The client's clock, which tests replace to avoid waiting. */
export interface Clock {
  /** Monotonic time in ms. */
  now(): number;
  /** Rejects with the signal's reason if the signal aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    await wait(ms, undefined, { signal }).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error;
    });
  },
};
