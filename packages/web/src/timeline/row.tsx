import { Check, ChevronRight, CircleDot } from "lucide-react";
import { memo } from "react";
import { Markdown } from "../markdown/index.ts";
import { visible } from "../text/index.ts";
import type { Entry } from "./timeline-log.ts";
import styles from "./timeline.module.css";

/** Draws the kinds of events that a conversation consists of. The others have no line yet. */
export const Row = memo(function Row({ entry: { data } }: { entry: Entry }) {
  switch (data.kind) {
    case "message":
      return (
        <article className={styles.row}>
          <h2>{data.role === "agent" ? "Agent" : "You"}</h2>
          <Markdown text={data.text} />
        </article>
      );
    case "tool_call":
      return (
        <p className={styles.row}>
          <ChevronRight size={14} aria-hidden /> <bdi>{visible(data.title ?? "")}</bdi>{" "}
          <ToolCallStatus status={data.status ?? "pending"} />
        </p>
      );
    case "output":
      return <pre className={styles.row}>{data.text}</pre>;
    case "state":
      return <p className={styles.row}>{`${data.entity} ${data.to.toLowerCase().replace("_", " ")}`}</p>;
    case "failure":
      return (
        <p className={styles.row}>
          {visible(data.message)} {data.next}
        </p>
      );
    case "notice":
      return <p className={styles.row}>{visible(data.message)}</p>;
    default:
      return null;
  }
});

function ToolCallStatus({ status }: { status: string }) {
  const Icon = status === "completed" ? Check : CircleDot;
  return (
    <span className={styles.status} data-status={status}>
      <Icon size={14} aria-hidden /> {visible(status)}
    </span>
  );
}
