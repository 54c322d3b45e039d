import type { TaskState, WaitCause } from "@wharf/contract";
import type { QueueState } from "./queue-state.ts";

/** Columns of a waiting run that explain why it waits. */
export interface WaitingRun {
  readonly hold: Exclude<WaitCause, "slot" | "runner" | "pause"> | null;
  readonly next_attempt_at: string | null;
  readonly user_limit: number | null;
  readonly board_limit: number | null;
  readonly organization_limit: number | null;
  readonly tier: string;
  readonly tier_limit: number | null;
  /** The tasks that the run's task waits for; a deleted one has no state. */
  readonly open_dependencies?: readonly { readonly id: string; readonly state: TaskState | null }[] | null;
}

interface WaitReason {
  readonly waits_for: WaitCause;
  readonly reason: string;
}

/** Explains why a run waits. What holds only this run comes before what holds all. */
export function getWaitReason(run: WaitingRun, state: QueueState): WaitReason {
  if (run.hold !== null) return { waits_for: run.hold, reason: formatHold(run, run.hold) };
  if (state.pause !== null) return { waits_for: "pause", reason: formatPause(state.pause.reason) };
  const isFull = state.running_turns >= state.slots;
  if (!isFull && state.runners !== null && state.active_runners >= state.runners)
    return { waits_for: "runner", reason: formatRunnerLimit(state.runners) };
  const reason = isFull
    ? state.slots === 1
      ? "The only slot is in use."
      : `All ${state.slots} slots are in use.`
    : "A slot is free: the run starts when a server has taken it and has room for its runner.";
  return { waits_for: "slot", reason };
}

function formatHold(run: WaitingRun, hold: NonNullable<WaitingRun["hold"]>): string {
  if (hold === "dependency") return formatDependencies(run.open_dependencies ?? []);
  if (hold === "board_limit") return formatLimit("board", run.board_limit);
  if (hold === "user_limit") return formatLimit("user", run.user_limit);
  if (hold === "tier_limit") return formatLimit(`tier ${run.tier}`, run.tier_limit);
  if (hold === "organization_limit") return formatLimit("organization", run.organization_limit);
  const at = run.next_attempt_at === null ? "soon" : `at ${new Date(run.next_attempt_at).toISOString()}`;
  return `An attempt to start failed. The next one is ${at}.`;
}

const formatLimit = (what: string, limit: number | null): string =>
  `The limit of ${limit} running ${limit === 1 ? "turn" : "turns"} of the ${what} is reached.`;

const formatRunnerLimit = (limit: number): string =>
  `${limit === 1 ? "The only runner" : `All ${limit} runners`} that WHARF_MAX_RUNNERS allows ${limit === 1 ? "is" : "are"} in use.`;

const formatPause = (reason: string | null): string =>
  reason === null ? "The queue is paused." : `The queue is paused: ${reason}`;

const stateTexts: Readonly<Record<TaskState, string>> = {
  TODO: "not started",
  IN_PROGRESS: "in progress",
  BLOCKED: "blocked",
  REVIEW: "to be accepted",
  COMPLETED: "completed",
  FAILED: "failed",
  CANCELLED: "cancelled",
};
const maxNamedTasks = 5;

function formatDependencies(tasks: NonNullable<WaitingRun["open_dependencies"]>): string {
  const names = tasks
    .slice(0, maxNamedTasks)
    .map(({ id, state }) => `${id.slice(0, 8)} (${state === null ? "deleted" : stateTexts[state]})`);
  const rest = tasks.length > maxNamedTasks ? ` and ${tasks.length - maxNamedTasks} more` : "";
  return `It waits for the ${tasks.length === 1 ? "task" : "tasks"} ${names.join(", ")}${rest}.`;
}
