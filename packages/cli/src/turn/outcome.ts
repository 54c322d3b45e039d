import type { EventDataByKind } from "@wharf/contract";
import type { UsageTotals } from "./progress.ts";

/** Describes the outcome of a turn, with all reported details. */
export interface TurnOutcome {
  readonly status: "ended" | "cancelled" | "interrupted";
  readonly stop_reason?: string;
  readonly reason?: string;
  readonly commit?: EventDataByKind<"commit">;
  /** `waiting`: the branch was not pushed in time, and the server continues to try. */
  readonly push: "none" | "pushed" | "failed" | "waiting";
  readonly push_message?: string;
  readonly failure?: EventDataByKind<"failure">;
  readonly used: UsageTotals;
  /** Holds the error code of the run, if it failed. */
  readonly error_code?: string;
}

export const exitCodes = { done: 0, agentFailed: 1, wharfFailed: 2, interrupted: 130 } as const;

/** A turn with one of these stop reasons failed because of the agent. */
const failures: ReadonlySet<string> = new Set(["error", "timeout", "refusal"]);

/** Returns whether the agent left work that could not be committed. */
export const isUncommitted = ({ commit, failure }: TurnOutcome): boolean =>
  commit === undefined && failure?.code === "work_not_committed";

/** Returns whether a user cancelled the turn, and nothing failed. */
export const isCancelled = ({ status, error_code }: TurnOutcome): boolean =>
  status === "cancelled" && error_code === undefined;

/**
 * Returns 0 if the agent finished its turn and the branch was pushed, 1 if the agent failed or left
 * work that cannot be committed, 2 if Wharf failed, and 130 if a user cancelled the turn.
 */
export function getExitCode(outcome: TurnOutcome): number {
  if (outcome.status === "ended") {
    if (failures.has(outcome.stop_reason ?? "") || isUncommitted(outcome)) return exitCodes.agentFailed;
    return outcome.push === "failed" || outcome.push === "waiting" ? exitCodes.wharfFailed : exitCodes.done;
  }
  if (isCancelled(outcome)) return exitCodes.interrupted;
  return outcome.error_code?.startsWith("agent_") ? exitCodes.agentFailed : exitCodes.wharfFailed;
}
