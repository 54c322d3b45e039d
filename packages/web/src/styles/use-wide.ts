import { useSyncExternalStore } from "react";

const wide = window.matchMedia("(width >= 48rem)");

/** Returns whether there is room for views side by side; the style sheets ask the same. */
export const useWide = (): boolean => useSyncExternalStore(subscribe, () => wide.matches);

function subscribe(listener: () => void): () => void {
  wide.addEventListener("change", listener);
  return () => wide.removeEventListener("change", listener);
}
