/** The context of a shared piece of work. The signal aborts once every caller has left. */
export interface SharedWork {
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

interface InFlightWork<R> {
  readonly controller: AbortController;
  readonly listeners: Set<(line: string) => void>;
  readonly result: Promise<R>;
}

/**
 * Concurrent callers with the same key share one piece of work; each may leave without ending it
 * for the others.
 */
export function createShared<A, R>(
  work: (argument: A, shared: SharedWork) => Promise<R>,
): {
  join(key: string, argument: A, caller: SharedWork): Promise<R>;
} {
  const flights = new Map<string, InFlightWork<R>>();

  const startWork = (key: string, argument: A): InFlightWork<R> => {
    const controller = new AbortController();
    const listeners = new Set<(line: string) => void>();
    const onProgress = (line: string) => listeners.forEach((listener) => listener(line));
    const result = work(argument, { signal: controller.signal, onProgress });
    const flight = { controller, listeners, result };
    const removeFlight = () => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    flights.set(key, flight);
    result.then(removeFlight, removeFlight);
    return flight;
  };

  return {
    async join(key, argument, { signal, onProgress }) {
      signal.throwIfAborted();
      const flight = flights.get(key) ?? startWork(key, argument);
      // Each caller gets a separate function: two callers may pass the same one.
      const listener = (line: string) => onProgress(line);
      flight.listeners.add(listener);
      const abandonment = Promise.withResolvers<never>();
      const onAbort = () => {
        flight.listeners.delete(listener);
        abandonment.reject(signal.reason as Error);
        if (flight.listeners.size > 0) return;
        if (flights.get(key) === flight) flights.delete(key);
        flight.controller.abort(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        return await Promise.race([flight.result, abandonment.promise]);
      } finally {
        signal.removeEventListener("abort", onAbort);
        flight.listeners.delete(listener);
      }
    },
  };
}
