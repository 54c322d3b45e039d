import { useNavigate } from "@tanstack/react-router";
import { useMemo, useRef } from "react";
import { useShortcuts } from "../shortcuts/index.ts";
import { getActions } from "./columns.ts";
import type { BoardStore, Card } from "./store/index.ts";
import { allowFirst, performAction } from "./task-actions.ts";

interface BoardKeys {
  readonly store: BoardStore | undefined;
  /** The shown cards of each column. */
  readonly columns: readonly (readonly Card[])[];
  readonly currentId: string | undefined;
  readonly focus: (taskId: string) => void;
  readonly toggleSelected: (taskId: string) => void;
  readonly canWrite: boolean;
}

/** The keys of the board. They see the latest cards without being registered again. */
export function useBoardKeys(keys: BoardKeys): void {
  const latest = useRef(keys);
  latest.current = keys;
  const navigate = useNavigate();
  const shortcuts = useMemo(() => {
    const move = (step: number) => {
      const { columns, currentId, focus } = latest.current;
      const ids = columns.flat().map(({ task }) => task.id);
      const index = currentId === undefined ? -1 : ids.indexOf(currentId);
      const next = ids[index === -1 ? 0 : Math.min(Math.max(index + step, 0), ids.length - 1)];
      if (next !== undefined) focus(next);
    };
    const withCurrent = (act: (card: Card, store: BoardStore) => void) => () => {
      const { store, currentId, canWrite } = latest.current;
      const card = currentId === undefined ? undefined : store?.cards.get(currentId);
      if (card && store && canWrite) act(card, store);
    };
    return {
      j: () => move(1),
      k: () => move(-1),
      x: withCurrent(({ task }) => latest.current.toggleSelected(task.id)),
      a: withCurrent((card, store) => allowFirst(store, card)),
      e: withCurrent(({ task }, store) => {
        if (getActions(task).includes("archive")) void performAction(store, "archive", [task]);
      }),
      c: () => void navigate({ to: "/new" }),
    };
  }, [navigate]);
  useShortcuts(shortcuts);
}
