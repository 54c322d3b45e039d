import { setTimeout as sleep } from "node:timers/promises";
import { isDatabaseUnavailable } from "../store/index.ts";

const minRetryMs = 50;
const maxRetryMs = 2_000;

/**
 * Repeats a read while the database is unavailable, until the signal aborts. The pauses are
 * jittered, because many readers lose the same database at the same moment. Any other error goes to
 * the caller.
 */
export async function retryWhileUnavailable<T>(read: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await read();
    } catch (error) {
      if (signal?.aborted || !isDatabaseUnavailable(error)) throw error;
    }
    const retryMs = Math.min(maxRetryMs, minRetryMs * 2 ** Math.min(failures, 10)) * (0.5 + Math.random());
    await sleep(retryMs, undefined, signal ? { ref: false, signal } : { ref: false });
  }
}
