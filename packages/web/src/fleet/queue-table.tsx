import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { OrchestratorStatus, QueuedTask } from "@wharf/client";
import { Pause, Play } from "lucide-react";
import { Problem } from "../actions/index.ts";
import { perform, wharf } from "../api/index.ts";
import { formatAge, useNow, visible } from "../text/index.ts";
import { fleetQueries } from "./fleet-queries.ts";
import styles from "./fleet.module.css";

/** The tasks that wait, with their places, what they wait for, and when they start. */
export function QueueTable({ canPause }: { canPause: boolean }) {
  const { data: page, error } = useQuery(fleetQueries.queue);
  const { data: status } = useQuery(fleetQueries.status);
  return (
    <section className={styles.section} aria-labelledby="fleet-queue">
      <header>
        <h2 id="fleet-queue">Queue</h2>
        {status && <span className={styles.muted}>{describeStatus(status)}</span>}
        {status && canPause && <PauseButton status={status} />}
      </header>
      <Problem error={error} />
      {page?.tasks.length === 0 && <p className={styles.muted}>No tasks wait.</p>}
      {page && page.tasks.length > 0 && (
        <div className={styles.scroller} role="region" aria-label="Waiting tasks" tabIndex={0}>
          <table className={styles.table}>
            <thead>
              <tr>
                <th scope="col">Place</th>
                <th scope="col">Task</th>
                <th scope="col">Waits for</th>
                <th scope="col">Starts</th>
                <th scope="col">Waiting</th>
              </tr>
            </thead>
            <tbody>
              {page.tasks.map((task) => (
                <QueueRow key={task.task_id} task={task} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {page && page.total > page.tasks.length && (
        <p className={styles.muted}>{page.total - page.tasks.length} more wait.</p>
      )}
    </section>
  );
}

function QueueRow({ task }: { task: QueuedTask }) {
  const now = useNow();
  const { task_id: taskId, title, reason, position, priority, queued_at: queuedAt, estimated_start: start } = task;
  return (
    <tr>
      <td>{position ?? "–"}</td>
      <th scope="row">
        <Link to="/tasks/$taskId" params={{ taskId }}>
          <bdi>{visible(title)}</bdi>
        </Link>
        {priority !== 0 && <span className={styles.muted}> priority {priority}</span>}
      </th>
      <td className={styles.reason}>{visible(reason)}</td>
      <td title={start}>{start === undefined ? "unknown" : formatStart(start, now)}</td>
      <td title={queuedAt}>{formatAge(queuedAt, now)}</td>
    </tr>
  );
}

function formatStart(time: string, nowMs: number): string {
  const isDue = Date.parse(time) <= nowMs;
  return isDue ? "now" : `in ${formatAge(new Date(nowMs).toISOString(), Date.parse(time))}`;
}

function describeStatus({ running_turns: running, slots, status, pause }: OrchestratorStatus): string {
  const turns = `${running} of ${slots} turns run`;
  if (status !== "paused") return turns;
  return `${turns}. The queue is paused${pause?.reason === undefined ? "" : `: ${visible(pause.reason)}`}.`;
}

function PauseButton({ status: { status } }: { status: OrchestratorStatus }) {
  const client = useQueryClient();
  const isPaused = status === "paused";
  const change = async () => {
    await perform(() => (isPaused ? wharf.orchestrator.resumeQueue() : wharf.orchestrator.pauseQueue()), {
      done: isPaused ? "Turns start again." : "No turn starts until the queue is resumed.",
      undo: () => (isPaused ? wharf.orchestrator.pauseQueue() : wharf.orchestrator.resumeQueue()),
    });
    await client.invalidateQueries({ queryKey: ["fleet"] });
  };
  const Icon = isPaused ? Play : Pause;
  return (
    <button type="button" onClick={() => void change()}>
      <Icon size={16} aria-hidden /> {isPaused ? "Resume the queue" : "Pause the queue"}
    </button>
  );
}
