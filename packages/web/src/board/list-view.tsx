import { useRef } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import styles from "./board.module.css";
import { CardView } from "./card/index.ts";
import { type Column, columns, type ColumnId } from "./columns.ts";
import type { Card } from "./store/index.ts";
import { useScrolledFocus } from "./use-scrolled-focus.ts";

type Row = { readonly column: Column; readonly count: number } | { readonly card: Card };

export interface ListViewProps {
  readonly groups: ReadonlyMap<ColumnId, readonly Card[]>;
  readonly selected: ReadonlySet<string>;
  readonly focusedId: string | undefined;
}

/** All tasks as one list, grouped by state: the view of phones. */
export function ListView({ groups, selected, focusedId }: ListViewProps) {
  const list = useRef<VirtualizerHandle>(null);
  const rows = columns.flatMap((column): Row[] => {
    const cards = groups.get(column.id) ?? [];
    return cards.length === 0 ? [] : [{ column, count: cards.length }, ...cards.map((card) => ({ card }))];
  });
  const focusedIndex = rows.findIndex((row) => "card" in row && row.card.task.id === focusedId);
  useScrolledFocus(list, focusedIndex, focusedId);
  return (
    <div className={styles.list} data-view="list">
      {rows.length === 0 && <p className={styles.hint}>There are no tasks here.</p>}
      <Virtualizer ref={list} data={rows}>
        {(row: Row) =>
          "card" in row ? (
            <CardView key={row.card.task.id} card={row.card} isSelected={selected.has(row.card.task.id)} />
          ) : (
            <h2 key={row.column.id} className={styles.columnTitle} data-column={row.column.id}>
              {row.column.name} <span className={styles.count}>{row.count}</span>
            </h2>
          )
        }
      </Virtualizer>
    </div>
  );
}
