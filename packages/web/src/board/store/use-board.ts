import { useEffect, useState, useSyncExternalStore } from "react";
import { BoardStore } from "./board-store.ts";

/** Follows a board for as long as the component is shown. The version changes with the cards. */
export function useBoard(boardId: string): { readonly store: BoardStore | undefined; readonly version: number } {
  const [store, setStore] = useState<BoardStore>();
  useEffect(() => {
    const opened = new BoardStore(boardId);
    setStore(opened);
    return () => opened[Symbol.dispose]();
  }, [boardId]);
  const version = useSyncExternalStore(store?.subscribe ?? subscribeToNothing, store?.getVersion ?? getZero);
  return { store, version };
}

const subscribeToNothing = () => () => undefined;
const getZero = () => 0;
