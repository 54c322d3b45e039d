/** Returns a signal that never aborts: the default of optional signals. */
export const createNeverSignal = (): AbortSignal => new AbortController().signal;

/**
 * Waits for work that others share and that continues without this caller. Rejects with the
 * signal's reason when it aborts.
 */
export async function waitUnlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  signal.throwIfAborted();
  const { promise: abortion, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, abortion]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
