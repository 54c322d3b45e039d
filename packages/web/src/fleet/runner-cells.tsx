import { Link } from "@tanstack/react-router";
import type { RunnerState, RunnerSummary } from "@wharf/client";
import { CircleCheck, CircleDashed, CircleOff, CirclePause, CircleStop, CircleX, type LucideIcon } from "lucide-react";
import { formatAge, formatSize, useNow, visible } from "../text/index.ts";
import { getMeanCpus, getRunnerName } from "./fleet-search.ts";
import styles from "./fleet.module.css";

const stateLabels: Readonly<Record<RunnerState, { readonly name: string; readonly Icon: LucideIcon }>> = {
  CREATING: { name: "starting", Icon: CircleDashed },
  READY: { name: "ready", Icon: CircleCheck },
  STOPPED: { name: "stopped", Icon: CircleStop },
  DESTROYED: { name: "destroyed", Icon: CircleOff },
  ERROR: { name: "failed", Icon: CircleX },
};

/** The state of a runner, by shape and word; why it failed is beside it. */
export function RunnerStateBadge({ runner }: { runner: RunnerSummary }) {
  const { state, run_status: status, error_message: error } = runner;
  const isPaused = status === "PAUSED";
  const { name, Icon } = isPaused ? { name: "paused", Icon: CirclePause } : stateLabels[state];
  return (
    <span className={styles.state} data-state={isPaused ? "PAUSED" : state}>
      <Icon size={14} aria-hidden /> {name}
      {error !== undefined && <span className={styles.error}>{visible(error)}</span>}
    </span>
  );
}

export function RunnerLink({ runner }: { runner: RunnerSummary }) {
  return (
    <Link to="/fleet/$runnerId" params={{ runnerId: runner.id }} data-runner={runner.id} className={styles.name}>
      <bdi>{visible(getRunnerName(runner))}</bdi>
    </Link>
  );
}

/** What uses the runner: a task with its agent, or a person's programs. */
export function RunnerUse({ runner: { task, agent_type: agent, run_id: runId } }: { runner: RunnerSummary }) {
  if (runId === undefined) return <span className={styles.muted}>no task</span>;
  return (
    <>
      {agent !== undefined && <span>{visible(agent)} </span>}
      {task && (
        <Link to="/tasks/$taskId" params={{ taskId: task.id }}>
          task
        </Link>
      )}
    </>
  );
}

export function CpuFigure({ runner }: { runner: RunnerSummary }) {
  const now = useNow();
  const cpus = getMeanCpus(runner);
  if (cpus === undefined || !runner.usage) return <span className={styles.muted}>–</span>;
  const { sampled_at: sampledAt, cpu_seconds: seconds } = runner.usage;
  const title = `${seconds.toFixed(1)} s of processor time since its start, measured ${formatAge(sampledAt, now)} ago`;
  return <span title={title}>{cpus < 0.005 ? "<0.01" : cpus.toFixed(2)}</span>;
}

export function MemoryFigure({ runner: { usage } }: { runner: RunnerSummary }) {
  const now = useNow();
  if (!usage) return <span className={styles.muted}>–</span>;
  return <span title={`measured ${formatAge(usage.sampled_at, now)} ago`}>{formatSize(usage.memory_bytes)}</span>;
}

export function DiskFigure({ runner: { disk_bytes: bytes } }: { runner: RunnerSummary }) {
  if (bytes === undefined) return <span className={styles.muted}>–</span>;
  return <span title="the size of the disk that the runner holds, used or not">{formatSize(bytes)}</span>;
}

export function IdleFigure({ runner: { idle_since: idleSince, run_status: status } }: { runner: RunnerSummary }) {
  const now = useNow();
  if (idleSince !== undefined) return <span title={idleSince}>{formatAge(idleSince, now)}</span>;
  return <span className={styles.muted}>{status === "RUNNING" ? "works" : "–"}</span>;
}
