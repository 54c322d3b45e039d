import { draggable } from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { Link } from "@tanstack/react-router";
import { Ellipsis } from "lucide-react";
import { memo, useEffect, useRef } from "react";
import { formatAge, formatCost, formatRepository, useNow, visible } from "../../text/index.ts";
import { useBoardContext } from "../board-context.ts";
import { stateNames } from "../columns.ts";
import { type Card, isActive } from "../store/index.ts";
import styles from "./card.module.css";
import { LiveLines } from "./live-lines.tsx";

export interface CardViewProps {
  readonly card: Card;
  readonly isSelected: boolean;
}

/** A task on the board, with what happens to it at this moment. */
export const CardView = memo(function CardView({ card, isSelected }: CardViewProps) {
  const { task } = card;
  const { store, canWrite, costs, openMenu, setCurrent, toggleSelected } = useBoardContext();
  const element = useRef<HTMLElement>(null);
  const hasMore = isActive(task.state) || task.state === "FAILED";

  useEffect(() => {
    if (hasMore) void store.readLiveState(task);
  }, [store, task, hasMore]);
  useEffect(() => {
    if (!element.current || !canWrite) return undefined;
    return draggable({ element: element.current, getInitialData: () => ({ taskId: task.id }) });
  }, [task.id, canWrite]);

  return (
    <article ref={element} className={styles.card} data-state={task.state} data-selected={isSelected}>
      <div className={styles.title}>
        <Link
          to="/tasks/$taskId"
          params={{ taskId: task.id }}
          data-task={task.id}
          draggable={false}
          onFocus={() => setCurrent(task.id)}
        >
          {visible(task.title)}
        </Link>
        {canWrite && (
          <button
            className={styles.more}
            aria-label={`Actions for ${visible(task.title)}`}
            aria-haspopup="menu"
            onClick={({ currentTarget }) => openMenu(card, currentTarget)}
          >
            <Ellipsis size={16} aria-hidden />
          </button>
        )}
      </div>
      <LiveLines card={card} />
      <Facts card={card} cost={costs.get(task.id)} />
      {isSelected && (
        <button className={styles.unselect} onClick={() => toggleSelected(task.id)}>
          Selected
        </button>
      )}
    </article>
  );
});

function Facts({ card: { task }, cost }: { card: Card; cost: number | undefined }) {
  const now = useNow();
  const waits = task.waits_for_tasks?.length ?? 0;
  return (
    <p className={styles.facts}>
      <span className={styles.state}>{stateNames[task.state]}</span>
      {task.repository_url !== undefined && (
        <bdi title={visible(task.repository_url)}>{visible(formatRepository(task.repository_url))}</bdi>
      )}
      {task.agent_type !== undefined && <span>{visible(task.agent_type)}</span>}
      {task.tier !== undefined && <span>{task.tier}</span>}
      {task.priority > 0 && <span title="Priority from 0 to 10">P{task.priority}</span>}
      {waits > 0 && <span>{`after ${waits} ${waits === 1 ? "task" : "tasks"}`}</span>}
      <span className={styles.end}>
        {cost !== undefined && cost > 0 && <span title="Cost of models in the last 30 days">{formatCost(cost)}</span>}
        <time dateTime={task.updated_at} title={new Date(task.updated_at).toLocaleString()}>
          {formatAge(task.updated_at, now)}
        </time>
      </span>
    </p>
  );
}
