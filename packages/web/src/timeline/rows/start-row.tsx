import { CircleAlert, CircleCheck, CircleDot } from "lucide-react";
import { useEffect } from "react";
import { formatDuration, visibleText } from "../../text/index.ts";
import type { EntryByKind, Phase } from "../entry.ts";
import { useTimelineTask, useTimelineTime } from "../timeline-context.ts";
import { getUsualMs, rememberMs } from "../usual-times.ts";
import styles from "./rows.module.css";

const texts: Readonly<Record<Phase["phase"], string>> = {
  provision: "Create the runner",
  connect: "Connect to the runner",
  clone: "Clone the repository",
  branch: "Check out the branch",
  setup: "Set up",
  agent: "Start the agent",
};
const icons = { started: CircleDot, done: CircleCheck, failed: CircleAlert };
const statusTexts = { started: "running", done: "done", failed: "failed" };

/** The steps of a start, each with the time that it takes and usually takes. */
export function StartRow({ data: { phases } }: { data: EntryByKind<"start">["data"] }) {
  const isDone = phases.every(({ status }) => status === "done");
  const totalMs = phases.reduce((sum, { elapsed_ms: ms = 0 }) => sum + ms, 0);
  if (isDone && phases.length > 1)
    return (
      <details className={styles.thought}>
        <summary>Started in {formatDuration(totalMs)}</summary>
        <Phases phases={phases} />
      </details>
    );
  return (
    <section className={styles.card} aria-label="Start">
      <Phases phases={phases} />
    </section>
  );
}

function Phases({ phases }: { phases: readonly Phase[] }) {
  return (
    <ul className={styles.plan}>
      {phases.map((phase) => (
        <PhaseItem key={phase.phase} phase={phase} />
      ))}
    </ul>
  );
}

function PhaseItem({ phase }: { phase: Phase }) {
  const { task } = useTimelineTask();
  const key = `${task.agent_type ?? ""} ${phase.phase}`;
  const elapsedMs = phase.status === "done" ? phase.elapsed_ms : undefined;
  useEffect(() => {
    if (elapsedMs !== undefined) rememberMs(key, phase.startedAt, elapsedMs);
  }, [key, phase.startedAt, elapsedMs]);
  const Icon = icons[phase.status];
  const usualMs = getUsualMs(key);
  return (
    <li data-status={phase.status}>
      <Icon size={16} role="img" aria-label={statusTexts[phase.status]} />{" "}
      <span>
        {texts[phase.phase]} {phase.percent !== undefined && phase.status === "started" && `${phase.percent} %`}
        {phase.message && <span className={styles.muted}> {visibleText(phase.message)}</span>}
      </span>
      <span className={styles.duration}>
        {phase.status === "started" ? <Elapsed since={phase.startedAt} /> : formatMs(phase.elapsed_ms)}
        {usualMs !== undefined && phase.status === "started" && ` of usually ${formatDuration(usualMs)}`}
      </span>
    </li>
  );
}

const formatMs = (ms: number | undefined): string => (ms === undefined ? "" : formatDuration(ms));

function Elapsed({ since }: { since: string }) {
  return formatDuration(Math.max(0, useTimelineTime(500) - Date.parse(since)));
}
