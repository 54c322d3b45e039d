import { Slots } from "./slots.ts";

/**
 * Runs work one at a time per key, in request order; a waiter leaves the queue when its signal
 * aborts.
 */
export function createLocks(): {
  run<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
} {
  const slots = new Slots(1);
  return {
    async run(key, work, signal) {
      using _slot = await slots.acquire(key, { signal });
      return await work();
    },
  };
}
