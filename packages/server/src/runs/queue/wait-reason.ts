import type { WaitCause } from "@wharf/contract";
import type { QueueState } from "./queue-state.ts";

/** Columns of a waiting run that explain why it waits. */
export interface WaitingRun {
  readonly hold: Exclude<WaitCause, "slot" | "pause"> | null;
  readonly next_attempt_at: string | null;
  readonly user_limit: number | null;
  readonly board_limit: number | null;
  readonly organization_limit: number | null;
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
  const reason = isFull
    ? state.slots === 1
      ? "The only slot is in use."
      : `All ${state.slots} slots are in use.`
    : "A slot is free: the run starts when a server has taken it and has room for its runner.";
  return { waits_for: "slot", reason };
}

function formatHold(run: WaitingRun, hold: NonNullable<WaitingRun["hold"]>): string {
  if (hold === "board_limit") return formatLimit("board", run.board_limit);
  if (hold === "user_limit") return formatLimit("user", run.user_limit);
  if (hold === "organization_limit") return formatLimit("organization", run.organization_limit);
  const at = run.next_attempt_at === null ? "soon" : `at ${new Date(run.next_attempt_at).toISOString()}`;
  return `An attempt to start failed. The next one is ${at}.`;
}

const formatLimit = (what: string, limit: number | null): string =>
  `The ${what}'s limit of ${limit} running ${limit === 1 ? "turn" : "turns"} is reached.`;

const formatPause = (reason: string | null): string =>
  reason === null ? "The queue is paused." : `The queue is paused: ${reason}`;
