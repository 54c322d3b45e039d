import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Task, TaskState, Turn } from "@wharf/client";
import { ChevronLeft } from "lucide-react";
import { ActionButton, CopyButton } from "../actions/index.ts";
import { wharf } from "../api/index.ts";
import { taskQueries } from "../task-data/task-queries.ts";
import { usePermissions } from "../task-data/use-permissions.ts";
import { formatCost, visible } from "../text/index.ts";
import { RunControls } from "./run-controls.tsx";
import { useMissing } from "./start-form.tsx";
import { StateBadge } from "./state-badge.tsx";
import styles from "./task-header.module.css";

export function TaskHeader({ task, turns }: { task: Task; turns: readonly Turn[] }) {
  const { canChangeTask, canPrompt } = usePermissions();
  const { data: run } = useQuery(taskQueries.run(task.id));
  return (
    <header className={styles.header}>
      <Link
        to="/boards/$boardId"
        params={{ boardId: task.board_id }}
        className={styles.back}
        aria-label="Back to the board"
      >
        <ChevronLeft size={18} aria-hidden />
      </Link>
      <h1 title={visible(task.title)}>{visible(task.title)}</h1>
      <StateBadge state={task.state} isPaused={run?.status === "PAUSED"} />
      <p className={styles.facts}>
        <Facts task={task} />
      </p>
      <div className={styles.actions}>
        {canPrompt && <RunControls task={task} turns={turns} />}
        {canChangeTask && <StateActions task={task} />}
        <CopyButton text={`wharf task show ${task.id.slice(0, 8)}`} label="Copy command" />
      </div>
    </header>
  );
}

const endedStates: readonly TaskState[] = ["COMPLETED", "FAILED", "CANCELLED"];

function StateActions({ task }: { task: Task }) {
  const { id, state } = task;
  const isMissing = useMissing(task);
  if (task.archived_at !== undefined) return <ActionButton label="Restore" send={() => wharf.tasks.restoreTask(id)} />;
  return (
    <>
      {state === "REVIEW" && (
        <ActionButton label="Accept" isMain send={() => wharf.tasks.setTaskState(id, { state: "COMPLETED" })} />
      )}
      {state === "TODO" && !isMissing && <ActionButton label="Start" isMain send={() => wharf.tasks.startTask(id)} />}
      {endedStates.includes(state) && <ActionButton label="Archive" send={() => wharf.tasks.archiveTask(id)} />}
    </>
  );
}

function Facts({ task }: { task: Task }) {
  const { canSeeUsage } = usePermissions();
  const { data: report } = useQuery({ ...taskQueries.cost(task.id), enabled: canSeeUsage });
  const { data: status } = useQuery(taskQueries.status(task.id));
  return (
    <>
      {task.agent_type && <span>{visible(task.agent_type)}</span>}
      <span title="The branch of the task">
        <code>{visible(task.shadow_branch)}</code>
      </span>
      {report && report.total.requests > 0 && (
        <span title={`${report.total.requests} requests to models`}>{formatCost(report.total.cost_usd)}</span>
      )}
      {status?.queue && <span>{visible(status.queue.reason)}</span>}
    </>
  );
}
