import { useSyncExternalStore } from "react";

const wide = window.matchMedia("(width >= 48rem)");

/** Whether there is room for panes side by side. The style sheets use the same width. */
export const useWide = (): boolean => useSyncExternalStore(subscribe, () => wide.matches);

function subscribe(listener: () => void): () => void {
  wide.addEventListener("change", listener);
  return () => wide.removeEventListener("change", listener);
}
