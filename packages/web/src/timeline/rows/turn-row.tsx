import { useState } from "react";
import { formatDuration, Time, visibleText } from "../../text/index.ts";
import type { EntryByKind } from "../entry.ts";
import { useTimelineTask } from "../timeline-context.ts";
import styles from "./rows.module.css";

/** A prompt where its turn began, and how the turn ended. */
export function TurnRow({ entry: { data, timestamp } }: { entry: EntryByKind<"turn"> }) {
  const { turns } = useTimelineTask();
  const turn = turns.get(data.turn_id);
  if (data.status === "started")
    return (
      <article className={styles.prompt}>
        <h2 className={styles.speaker}>
          you <Time timestamp={timestamp} />
        </h2>
        {turn ? <Prompt text={visibleText(turn.prompt)} /> : <p className={styles.muted}>…</p>}
      </article>
    );
  const isExpected = data.status === "ended" && (data.stop_reason ?? "end_turn") === "end_turn";
  return (
    <p className={isExpected ? styles.end : styles.warning}>
      {getEnd(data)}
      {turn?.started_at && ` after ${formatDuration(Date.parse(timestamp) - Date.parse(turn.started_at))}`}
    </p>
  );
}

/** Longer prompts show their beginning. */
const maxShownLength = 1_500;

function Prompt({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > maxShownLength;
  return (
    <>
      <p className={styles.preformatted}>{isLong && !isWhole ? `${text.slice(0, maxShownLength)}…` : text}</p>
      {isLong && (
        <button type="button" className={styles.fold} onClick={() => setWhole(!isWhole)} aria-expanded={isWhole}>
          {isWhole ? "Show only the beginning" : "Show the whole prompt"}
        </button>
      )}
    </>
  );
}

const stopTexts: Readonly<Record<string, string>> = {
  end_turn: "Done",
  max_tokens: "Stopped: the model's answer reached its maximum length",
  max_turn_requests: "Stopped: the agent reached the limit of model requests in one turn",
  refusal: "The model refused to continue",
  error: "The turn ended with an error",
  timeout: "The agent did not respond and was stopped",
};

function getEnd({ status, stop_reason: stopReason = "end_turn", reason }: EntryByKind<"turn">["data"]): string {
  if (status === "ended") return stopTexts[stopReason] ?? `The turn ended: ${visibleText(stopReason)}`;
  const what = status === "cancelled" ? "The turn was cancelled" : "The turn was interrupted";
  return reason && !/^(?:it|the turn) was cancelled\.?$/i.test(reason)
    ? `${what}: ${visibleText(reason).replace(/\.$/, "")}`
    : what;
}
