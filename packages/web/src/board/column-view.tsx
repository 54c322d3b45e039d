import { dropTargetForElements } from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { useBoardContext } from "./board-context.ts";
import styles from "./board.module.css";
import { CardView } from "./card/index.ts";
import { type Column, getDropAction } from "./columns.ts";
import type { Card } from "./store/index.ts";
import { performAction } from "./task-actions.ts";
import { useScrolledFocus } from "./use-scrolled-focus.ts";

export interface ColumnViewProps {
  readonly column: Column;
  readonly cards: readonly Card[];
  readonly selected: ReadonlySet<string>;
  /** The task that the keys reached last. */
  readonly focusedId: string | undefined;
  /** What is above the cards. */
  readonly children?: ReactNode;
}

/** The tasks in some states. Only the visible cards are in the page. */
export function ColumnView({ column, cards, selected, focusedId, children }: ColumnViewProps) {
  const list = useRef<VirtualizerHandle>(null);
  const { element, canDrop } = useDropTarget(column);
  const focusedIndex = focusedId === undefined ? -1 : cards.findIndex(({ task }) => task.id === focusedId);
  useScrolledFocus(list, focusedIndex, focusedId);
  return (
    <section ref={element} className={styles.column} data-drop={canDrop} aria-labelledby={`column-${column.id}`}>
      <h2 id={`column-${column.id}`} className={styles.columnTitle} data-column={column.id}>
        {column.name} <span className={styles.count}>{cards.length}</span>
      </h2>
      {children}
      <div className={styles.scroller}>
        {cards.length === 0 && <p className={styles.hint}>{column.hint}</p>}
        <Virtualizer ref={list} as="ul" item="li" data={cards}>
          {(card: Card) => <CardView key={card.task.id} card={card} isSelected={selected.has(card.task.id)} />}
        </Virtualizer>
      </div>
    </section>
  );
}

/** Lets tasks be dropped on a column, if what that means is possible for them. */
function useDropTarget(column: Column) {
  const { store } = useBoardContext();
  const element = useRef<HTMLElement>(null);
  const [canDrop, setCanDrop] = useState(false);
  useEffect(() => {
    if (!element.current) return undefined;
    const findDrop = (data: Record<string, unknown>) => {
      const task = store.cards.get(String(data["taskId"]))?.task;
      const action = task && getDropAction(task.state, column.id);
      return task && action && { task, action };
    };
    return dropTargetForElements({
      element: element.current,
      canDrop: ({ source }) => findDrop(source.data) !== undefined,
      onDragEnter: () => setCanDrop(true),
      onDragLeave: () => setCanDrop(false),
      onDrop({ source }) {
        setCanDrop(false);
        const drop = findDrop(source.data);
        if (drop) void performAction(store, drop.action, [drop.task]);
      },
    });
  }, [store, column]);
  return { element, canDrop };
}
