import type { Event, Task } from "@wharf/client";
import { useRef, useState } from "react";
import { Virtualizer } from "virtua";
import { CopyButton, Problem } from "../actions/index.ts";
import { Time, visible } from "../text/index.ts";
import { type TaskLog, useLogVersion } from "../timeline/index.ts";
import styles from "./activity-pane.module.css";
import { MomentBar } from "./moment-bar.tsx";
import type { Moment } from "./use-moment.ts";

/** Longer data is shown in part; the command prints all of it. */
const maxDataLength = 2_000;
const allKinds = "";

interface ActivityPaneProps {
  readonly task: Task;
  readonly taskLog: TaskLog;
  readonly moment: Moment;
}

/** Every event of the log, also those that the timeline joins or leaves out. The newest is first. */
export function ActivityPane({ task, taskLog, moment }: ActivityPaneProps) {
  const { log, readOlder, olderError } = taskLog;
  useLogVersion(log);
  const hasOlder = log.firstSeq > 1;
  const [kind, setKind] = useState(allKinds);
  const scroller = useRef<HTMLElement>(null);
  const kinds = [...new Set(log.events.map(({ data }) => data.kind))].toSorted();
  const shown = log.events
    .filter(
      ({ seq, data }) => (moment.seq === undefined || seq <= moment.seq) && (kind === allKinds || data.kind === kind),
    )
    .toReversed();
  return (
    <div className={styles.pane}>
      <div className={styles.bar}>
        <select aria-label="Kind of event" value={kind} onChange={({ target }) => setKind(target.value)}>
          <option value={allKinds}>All events</option>
          {kinds.map((one) => (
            <option key={one} value={one}>
              {one.replaceAll("_", " ")}
            </option>
          ))}
        </select>
        <MomentBar log={log} moment={moment} />
        <CopyButton text={`wharf task logs ${task.id.slice(0, 8)} --json`} label="Copy command" />
      </div>
      <section ref={scroller} className={styles.events} tabIndex={0} aria-label="Events">
        <Virtualizer data={shown} scrollRef={scroller}>
          {(event: Event) => <EventRow key={event.seq} event={event} />}
        </Virtualizer>
        <Problem error={olderError} />
        {hasOlder && (
          <button type="button" onClick={readOlder}>
            Show older events
          </button>
        )}
      </section>
    </div>
  );
}

function EventRow({ event: { seq, timestamp, data } }: { event: Event }) {
  const { kind, ...rest } = data;
  const text = JSON.stringify(rest);
  return (
    <details className={styles.event}>
      <summary>
        <span className={styles.muted}>{seq}</span> <Time timestamp={timestamp} />{" "}
        <strong>{kind.replaceAll("_", " ")}</strong> <code>{visible(text.slice(0, 160))}</code>
      </summary>
      <pre>{visible(text.slice(0, maxDataLength))}</pre>
    </details>
  );
}
