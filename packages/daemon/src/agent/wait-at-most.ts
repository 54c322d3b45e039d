import { setTimeout as sleep } from "node:timers/promises";

/** Waits for a promise, at most `ms` milliseconds. */
export async function waitAtMost(promise: Promise<void>, ms: number): Promise<void> {
  const abortController = new AbortController();
  await Promise.race([promise, sleep(ms, undefined, { signal: abortController.signal }).catch(() => undefined)]);
  abortController.abort();
}
