import { setTimeout as wait } from "node:timers/promises";

/** Time as the client sees it, so that a test need not wait for it. */
export interface Clock {
  /** Milliseconds that only grow. */
  now(): number;
  /** Rejects with the signal's reason when that comes first. */
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
