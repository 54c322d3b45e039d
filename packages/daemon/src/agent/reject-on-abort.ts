/** Creates a promise that rejects with this reason when the signal aborts, until its disposal. */
export function rejectOnAbort(signal: AbortSignal, reason: Error): Disposable & { promise: Promise<never> } {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(reason);
  promise.catch(() => undefined);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  return { promise, [Symbol.dispose]: () => signal.removeEventListener("abort", abort) };
}
