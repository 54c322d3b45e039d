import { useSyncExternalStore } from "react";

const intervalMs = 10_000;
let now = Date.now();

function subscribe(listener: () => void): () => void {
  const timer = window.setInterval(() => {
    now = Date.now();
    listener();
  }, intervalMs);
  return () => window.clearInterval(timer);
}

/** The present time for texts such as "4 m", which need no more than six looks a minute. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => now);
