import { ArrowDown } from "lucide-react";
import { type CustomItemComponentProps, Virtualizer } from "virtua";
import { Row } from "./row.tsx";
import type { Entry } from "./timeline-log.ts";
import styles from "./timeline.module.css";
import { useLiveEnd } from "./use-live-end.ts";
import { useTaskLog } from "./use-task-log.ts";

/**
 * While live, this many of the newest lines are always drawn: the list learns of a scroll one frame
 * late, and would show new lines as blank.
 */
const keptLines = 40;

/** A task's log, of which only the visible part is in the page. */
export function Timeline({ taskId }: { taskId: string }) {
  const { log, version } = useTaskLog(taskId);
  const { live, goLive, scroller, list } = useLiveEnd(version);
  return (
    <div className={styles.timeline}>
      <section className={styles.scroller} aria-label="Events" {...scroller}>
        <Virtualizer as="ol" item={Item} data={log.entries} keepMounted={live ? getNewest(log.entries) : []} {...list}>
          {(entry: Entry) => <Row key={entry.seq} entry={entry} />}
        </Virtualizer>
      </section>
      {!live && (
        <button className={styles.toEnd} onClick={goLive}>
          <ArrowDown size={16} aria-hidden /> Live
        </button>
      )}
    </div>
  );
}

function getNewest({ length }: { length: number }): number[] {
  return Array.from({ length: Math.min(keptLines, length) }, (_, index) => length - 1 - index);
}

/** Only the visible part of the list is in the page, so each item has its position. */
function Item({ index, ...rest }: CustomItemComponentProps) {
  return <li aria-posinset={index + 1} aria-setsize={-1} {...rest} />;
}
