import { Markdown } from "../../markdown/index.ts";
import { Time, visible } from "../../text/index.ts";
import type { EntryByKind } from "../entry.ts";
import { useTimelineTask } from "../timeline-context.ts";
import styles from "./rows.module.css";

export function MessageRow({ entry: { data, timestamp } }: { entry: EntryByKind<"message"> }) {
  const { task } = useTimelineTask();
  return (
    <article className={styles.message}>
      <h2 className={styles.speaker}>
        {visible(task.agent_type ?? "agent")} <Time timestamp={timestamp} />
      </h2>
      <Markdown text={data.text} />
    </article>
  );
}
