import { ArrowDown } from "lucide-react";
import { useEffect, useLayoutEffect, useRef } from "react";
import { type CustomItemComponentProps, Virtualizer } from "virtua";
import { Problem } from "../actions/index.ts";
import type { Entry } from "./entry.ts";
import { Row } from "./rows/row.tsx";
import styles from "./timeline.module.css";
import { useLiveEnd } from "./use-live-end.ts";
import { type TaskLog, useLogVersion } from "./use-task-log.ts";

/**
 * While live, this many of the newest lines are always drawn: the list learns of a scroll one frame
 * late, and would show new lines as blank.
 */
const keptLines = 40;
/** Older events are read before the first line is reached. */
const olderDistancePx = 1_500;

/** A task's log, of which only the visible part is in the page. */
export function Timeline({ taskLog, endLabel = "Live" }: { taskLog: TaskLog; endLabel?: string }) {
  const { log, readOlder, olderError } = taskLog;
  const version = useLogVersion(log);
  const hasOlder = log.firstSeq > 1;
  const { live, goLive, scroller, list } = useLiveEnd(`${version} ${log.lastSeq}`);
  const isPrepended = usePrepended(log.entries[0]?.seq);
  const { ref } = scroller;

  const readIfNear = () => {
    if (hasOlder && ref.current !== null && ref.current.scrollTop < olderDistancePx) readOlder();
  };
  // A short list has nothing to scroll. After a failure only the person tries again.
  useEffect(() => {
    if (olderError === undefined) readIfNear();
  });
  const onScroll = () => {
    list.onScroll();
    readIfNear();
  };

  return (
    <div className={styles.timeline}>
      <section className={styles.scroller} aria-label="Timeline" {...scroller}>
        {!hasOlder && log.entries.length === 0 && <p className={styles.empty}>Nothing has happened yet.</p>}
        <Virtualizer
          as="ol"
          item={Item}
          data={log.entries}
          shift={isPrepended}
          keepMounted={live ? getNewest(log.entries) : []}
          {...list}
          onScroll={onScroll}
        >
          {(entry: Entry) => <Row key={entry.seq} entry={entry} />}
        </Virtualizer>
      </section>
      <Problem error={olderError} />
      {!live && (
        <button type="button" className={styles.toEnd} onClick={goLive}>
          <ArrowDown size={16} aria-hidden /> {endLabel}
        </button>
      )}
    </div>
  );
}

/** Whether this drawing adds lines before the first one, which keeps the others in their place. */
function usePrepended(firstSeq = Infinity): boolean {
  const previous = useRef(firstSeq);
  const isPrepended = firstSeq < previous.current;
  useLayoutEffect(() => {
    previous.current = firstSeq;
  }, [firstSeq]);
  return isPrepended;
}

function getNewest({ length }: { length: number }): number[] {
  return Array.from({ length: Math.min(keptLines, length) }, (_, index) => length - 1 - index);
}

/** Only the visible part of the list is in the page, so each item has its position. */
function Item({ index, ...rest }: CustomItemComponentProps) {
  return <li aria-posinset={index + 1} aria-setsize={-1} {...rest} />;
}
