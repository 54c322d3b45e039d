import { createContext, useContext } from "react";
import type { BoardStore, Card } from "./store/index.ts";

/** What the parts of a board share. It changes rarely, because each change draws all cards. */
export interface BoardContextValue {
  readonly store: BoardStore;
  readonly costs: ReadonlyMap<string, number>;
  /** Whether the person may change tasks here. */
  readonly canWrite: boolean;
  readonly toggleSelected: (taskId: string) => void;
  readonly openMenu: (card: Card, anchor: HTMLElement) => void;
  readonly setCurrent: (taskId: string) => void;
}

export const BoardContext = createContext<BoardContextValue | undefined>(undefined);

export function useBoardContext(): BoardContextValue {
  const value = useContext(BoardContext);
  if (!value) throw new Error("a part of a board is outside of the board");
  return value;
}
