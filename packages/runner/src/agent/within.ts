import { setTimeout as sleep } from "node:timers/promises";

/** Waits for a promise, but no longer than this. */
export async function within(promise: Promise<void>, ms: number): Promise<void> {
  const waiting = new AbortController();
  await Promise.race([promise, sleep(ms, undefined, { signal: waiting.signal }).catch(() => {})]);
  waiting.abort();
}
