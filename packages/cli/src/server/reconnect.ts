import { setTimeout as sleep } from "node:timers/promises";
import { toAccessEnd } from "./access-end.ts";
import { getQuotaDelayMs, isUnreachable } from "./client.ts";

export interface ReconnectOptions {
  readonly signal: AbortSignal;
  /** Limits how long a lost server is retried. */
  readonly retryTimeoutMs?: number | undefined;
  /** Runs when the server is lost and when it is back. */
  readonly onConnection?: ((state: "lost" | "back") => void) | undefined;
}

const firstDelayMs = 200;
const maxDelayMs = 2_000;
const defaultRetryTimeoutMs = 120_000;
/**
 * The server sends something every 15 s; a connection that is silent for this long is dead without
 * having been closed.
 */
export const silenceTimeoutMs = 45_000;

/**
 * Yields what connections send, one after the other, until the signal ends it:
 *
 *   connecting ── open ──► reading ── closed or silent ──► connecting
 *       │ └── no server: retries after 0.2–2 s, until `retryTimeoutMs` has passed
 *       └── refused (unknown task, no token): the error is thrown
 *
 * `connect` continues after the last item that its caller has read.
 */
export async function* readWithReconnects<T>(
  connect: () => Promise<AsyncIterable<T>>,
  { signal, retryTimeoutMs = defaultRetryTimeoutMs, onConnection }: ReconnectOptions,
): AsyncGenerator<T, void, undefined> {
  let wasOpen = false;
  let lostAt: number | undefined;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const items = await connect();
      wasOpen = true;
      if (lostAt !== undefined) onConnection?.("back");
      lostAt = undefined;
      for await (const item of items) {
        attempt = 0;
        yield item;
      }
    } catch (error) {
      if (signal.aborted) return;
      const isLate = lostAt !== undefined && performance.now() - lostAt > retryTimeoutMs;
      const isPassing = isUnreachable(error) || getQuotaDelayMs(error) !== undefined;
      if (!isPassing || isLate) throw (wasOpen ? toAccessEnd(error) : undefined) ?? error;
    }
    if (signal.aborted) return;
    if (lostAt === undefined) onConnection?.("lost");
    lostAt ??= performance.now();
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(attempt, 10));
    await sleep(delayMs, undefined, { signal }).catch(() => undefined);
  }
}
