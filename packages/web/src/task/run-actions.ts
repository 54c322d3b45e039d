import type { Run, Task, Turn } from "@wharf/client";
import { taskTransitions } from "@wharf/contract/task-transitions";

/** What a person can do with the run of a task. */
export type RunAction = "pause" | "resume" | "stop";

interface RunState {
  readonly task: Pick<Task, "state" | "resume_at">;
  /** The latest run; undefined until it is known, or if there is none. */
  readonly run: Pick<Run, "status"> | undefined;
  readonly turns: readonly Pick<Turn, "state">[];
}

const liveStatuses: ReadonlySet<Run["status"]> = new Set(["PENDING", "STARTING", "RUNNING", "PAUSED"]);

/** A task whose run is being stopped has left its state already, so nothing is offered for it. */
export function getRunActions({ task, run, turns }: RunState): readonly RunAction[] {
  const isAtWork = task.state !== "REVIEW" && taskTransitions[task.state].includes("REVIEW");
  if (!isAtWork) return [];
  const isLive = run !== undefined && liveStatuses.has(run.status);
  const actions: RunAction[] = [];
  if (task.resume_at !== undefined || run?.status === "PAUSED") actions.push("resume");
  else if (run?.status === "RUNNING" && turns.some(({ state }) => state === "RUNNING")) actions.push("pause");
  if (isLive || task.resume_at !== undefined) actions.push("stop");
  return actions;
}
