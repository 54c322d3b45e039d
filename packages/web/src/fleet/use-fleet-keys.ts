import { useCallback, useMemo, useRef } from "react";
import { useShortcuts } from "../shortcuts/index.ts";

interface FleetKeys {
  /** The shown runners, in their order. */
  readonly ids: readonly string[];
  /** Absent for people who may not. */
  readonly create: (() => void) | undefined;
}

/** The keys of the fleet. The returned function finds the runner that they reached. */
export function useFleetKeys(keys: FleetKeys): () => string | undefined {
  const latest = useRef(keys);
  latest.current = keys;
  const reachedId = useRef<string>(undefined);
  const getCurrent = useCallback(() => document.activeElement?.getAttribute("data-runner") ?? reachedId.current, []);
  const shortcuts = useMemo(() => {
    const move = (step: number) => {
      const { ids } = latest.current;
      const currentId = getCurrent();
      const index = currentId === undefined ? -1 : ids.indexOf(currentId);
      const next = ids[index === -1 ? 0 : Math.min(Math.max(index + step, 0), ids.length - 1)];
      if (next === undefined) return;
      reachedId.current = next;
      document.querySelector<HTMLElement>(`[data-runner="${CSS.escape(next)}"]`)?.focus();
    };
    return { j: () => move(1), k: () => move(-1), c: () => latest.current.create?.() };
  }, [getCurrent]);
  useShortcuts(shortcuts);
  return getCurrent;
}
