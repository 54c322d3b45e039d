import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { queries } from "../api/index.ts";
import { usePageCommands } from "../palette/index.ts";
import { createPreloaded } from "../std/index.ts";
import { useWide } from "../styles/use-wide.ts";
import { BoardContext, type BoardContextValue } from "./board-context.ts";
import type { BoardSearch } from "./board-search.ts";
import { BoardTitle } from "./board-title.tsx";
import styles from "./board.module.css";
import { BulkBar } from "./bulk-bar.tsx";
import { ColumnView } from "./column-view.tsx";
import { columns, getColumnId } from "./columns.ts";
import { FilterBar } from "./filter-bar.tsx";
import { groupCards } from "./group-cards.ts";
import { ListView } from "./list-view.tsx";
import { QuickAdd } from "./quick-add.tsx";
import { type BoardStore, type Card, useBoard } from "./store/index.ts";
import { listTaskCommands } from "./task-commands.ts";
import { useBoardKeys } from "./use-board-keys.ts";

const TaskMenu = createPreloaded(async () => (await import("./task-menu.tsx")).TaskMenu);

export interface BoardPageProps {
  readonly boardId: string;
  readonly search: BoardSearch;
}

/** The tasks of a board by state, live. */
export function BoardPage({ boardId, search }: BoardPageProps) {
  const { store, version } = useBoard(boardId);
  if (!store?.isLoaded)
    return (
      <main className={styles.page}>
        <BoardTitle boardId={boardId} needed={0} />
        <output className={styles.hint}>{store?.failure ?? "Reading the tasks…"}</output>
      </main>
    );
  return <LoadedBoard boardId={boardId} search={search} store={store} version={version} />;
}

interface LoadedBoardProps extends BoardPageProps {
  readonly store: BoardStore;
  /** Changes with the cards of the store. */
  readonly version: number;
}

function LoadedBoard({ boardId, search, store, version }: LoadedBoardProps) {
  const { data: board } = useSuspenseQuery(queries.board(boardId));
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const canSeeUsage = whoami.permissions.includes("usage:read");
  const { data: costs = noCosts } = useQuery({ ...queries.boardCosts(boardId), enabled: canSeeUsage });
  const canWrite = board.role !== "viewer" && whoami.permissions.includes("task:write");
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [menu, setMenu] = useState<{ readonly card: Card; readonly anchor: HTMLElement }>();
  const [focusedId, setFocusedId] = useState<string>();
  const [currentId, setCurrent] = useState<string>();
  const isWide = useWide();
  const isList = !isWide || search.view === "list";
  // The cards change in place, and the version with them.
  const groups = useMemo(() => groupCards(store.cards, search), [store, search, version]);
  const needed = useMemo(
    () => [...store.cards.values()].filter(({ task }) => getColumnId(task.state) === "needs-you").length,
    [store, version],
  );

  const toggleSelected = useCallback(
    (taskId: string) =>
      setSelected((previous) => {
        const next = new Set(previous);
        if (!next.delete(taskId)) next.add(taskId);
        return next;
      }),
    [],
  );
  const openMenu = useCallback((card: Card, anchor: HTMLElement) => setMenu({ card, anchor }), []);
  const context = useMemo(
    (): BoardContextValue => ({ store, costs, canWrite, toggleSelected, openMenu, setCurrent }),
    [store, costs, canWrite, toggleSelected, openMenu],
  );
  const shown = columns.map(({ id }) => groups.get(id) ?? []);
  usePageCommands(() => {
    const card = currentId === undefined ? undefined : store.cards.get(currentId);
    return card && canWrite ? listTaskCommands(store, card) : [];
  });
  useBoardKeys({ store, columns: shown, currentId, focus: setFocusedId, toggleSelected, canWrite });
  useEffect(() => setSelected(new Set()), [boardId]);

  return (
    <BoardContext value={context}>
      <main className={styles.page}>
        <header className={styles.header}>
          <BoardTitle boardId={boardId} needed={needed} />
          <FilterBar search={search} cards={store.cards} userId={whoami.user.id} canSwitchView={isWide} />
        </header>
        {isList ? (
          <ListView groups={groups} selected={selected} focusedId={focusedId} />
        ) : (
          <div className={styles.columns}>
            {columns.map((column) => (
              <ColumnView
                key={column.id}
                column={column}
                cards={groups.get(column.id) ?? []}
                selected={selected}
                focusedId={focusedId}
              >
                {column.id === "todo" && canWrite && <QuickAdd boardId={boardId} />}
              </ColumnView>
            ))}
          </div>
        )}
        <BulkBar selected={selected} onDone={() => setSelected(new Set())} />
        <Suspense>{menu && <TaskMenu {...menu} onClose={() => setMenu(undefined)} />}</Suspense>
      </main>
    </BoardContext>
  );
}

const noCosts: ReadonlyMap<string, number> = new Map();
