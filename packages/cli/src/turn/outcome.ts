import type { EventDataByKind } from "@wharf/contract";
import type { UsageTotals } from "./progress.ts";

/** How a turn came out, with all that is told of it. */
export interface TurnOutcome {
  readonly status: "ended" | "cancelled" | "interrupted";
  readonly stop_reason?: string;
  readonly reason?: string;
  readonly commit?: EventDataByKind<"commit">;
  /** `waiting`: it was not pushed in the time there was, and the server goes on trying. */
  readonly push: "none" | "pushed" | "failed" | "waiting";
  readonly push_message?: string;
  readonly failure?: EventDataByKind<"failure">;
  readonly used: UsageTotals;
  /** Of the run, where it failed. */
  readonly error_code?: string;
}

export const exitCodes = { done: 0, agentFailed: 1, wharfFailed: 2, interrupted: 130 } as const;

/** Ends of a turn that are the agent's own failure. */
const failures: ReadonlySet<string> = new Set(["error", "timeout", "refusal"]);

/** Whether the agent left work of which nothing could be committed. */
export const isUncommitted = ({ commit, failure }: TurnOutcome): boolean =>
  commit === undefined && failure?.code === "work_not_committed";

/** Whether a person ended it, and nothing failed. */
export const isCancelled = ({ status, error_code }: TurnOutcome): boolean =>
  status === "cancelled" && error_code === undefined;

/**
 * 0: the agent did its turn and the branch is where it belongs. 1: the agent failed, or left what cannot be committed.
 * 2: Wharf failed. 130: a person cancelled it.
 */
export function getExitCode(outcome: TurnOutcome): number {
  if (outcome.status === "ended") {
    if (failures.has(outcome.stop_reason ?? "") || isUncommitted(outcome)) return exitCodes.agentFailed;
    return outcome.push === "failed" || outcome.push === "waiting" ? exitCodes.wharfFailed : exitCodes.done;
  }
  if (isCancelled(outcome)) return exitCodes.interrupted;
  return outcome.error_code?.startsWith("agent_") ? exitCodes.agentFailed : exitCodes.wharfFailed;
}
