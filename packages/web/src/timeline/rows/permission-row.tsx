import { Check, ShieldQuestionMark, X } from "lucide-react";
import { ActionButton } from "../../actions/index.ts";
import { wharf } from "../../api/index.ts";
import { formatDuration, visible, visibleText } from "../../text/index.ts";
import type { EntryByKind } from "../entry.ts";
import { useTimelineTask, useTimelineTime } from "../timeline-context.ts";
import styles from "./rows.module.css";

/** A question of the agent, answered where it is asked. */
export function PermissionRow({ entry }: { entry: EntryByKind<"permission"> }) {
  const { task, canPrompt, nowMs } = useTimelineTask();
  const { data } = entry;
  const { permission_id: id, options = [], status } = data;
  const title = data.title === undefined ? "Permission" : visibleText(data.title);
  if (status !== "asked")
    return (
      <p className={styles.line}>
        <ShieldQuestionMark size={16} aria-hidden /> {title}: {getAnswer(data)}
      </p>
    );
  return (
    <section className={styles.question} aria-label={`Question: ${title}`} data-question>
      <h2>
        <ShieldQuestionMark size={16} aria-hidden /> {title}
      </h2>
      {data.expires_at && <Deadline expiresAt={data.expires_at} />}
      {canPrompt ? (
        <div className={styles.answers}>
          {options.map(({ option_id, name, option_kind: kind }) => (
            <ActionButton
              key={option_id}
              Icon={kind.startsWith("allow") ? Check : X}
              label={visible(name)}
              isMain={kind === "allow_once"}
              send={() => wharf.tasks.answerPermission(task.id, id, { option_id })}
            />
          ))}
        </div>
      ) : (
        nowMs === undefined && <p className={styles.muted}>An editor of the board can answer.</p>
      )}
    </section>
  );
}

function getAnswer({ status, option_id: id, options }: EntryByKind<"permission">["data"]): string {
  if (status === "cancelled") return "no answer was needed any more";
  const option = options?.find(({ option_id }) => option_id === id);
  const answer = option ? visible(option.name) : id === undefined ? "refused" : visible(id);
  return status === "timed_out" ? `no answer came in time, so it was ${answer}` : answer;
}

function Deadline({ expiresAt }: { expiresAt: string }) {
  const leftMs = Math.max(0, Date.parse(expiresAt) - useTimelineTime(1_000));
  return (
    <p className={styles.muted}>
      The agent waits. Without an answer it is refused in <time dateTime={expiresAt}>{formatDuration(leftMs)}</time>.
    </p>
  );
}
