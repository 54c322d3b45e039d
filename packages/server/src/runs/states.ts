import type { RunStatus, TurnState } from "@wharf/contract";

/**
 * A run waits as PENDING until a slot is free, goes through the phases of STARTING and is RUNNING from its first prompt
 * on. Between turns it stays RUNNING: it keeps its runner and gives its slot back. STARTING → PENDING is a retry after a
 * failure of the platform, possible only while no prompt was handed over. The three ends are final: a later prompt
 * makes a new run, which takes over the runner and loads the session.
 */
export const runTransitions: { readonly [From in RunStatus]: readonly RunStatus[] } = {
  PENDING: ["STARTING", "STOPPED", "FAILED"],
  STARTING: ["RUNNING", "PENDING", "FAILED", "STOPPED"],
  RUNNING: ["PAUSED", "COMPLETED", "FAILED", "STOPPED"],
  PAUSED: ["RUNNING", "COMPLETED", "FAILED", "STOPPED"],
  COMPLETED: [],
  FAILED: [],
  STOPPED: [],
};

/**
 * A turn is QUEUED until the daemon is about to be given it: behind the turn at work where there is one, and as long as
 * an interrupted turn waits for a person's decision. It is RUNNING from the commit before that call until the journal
 * tells its end. INTERRUPTED: the runner died in it, or its disk was lost, so that nobody knows how far it got.
 */
export const turnTransitions: { readonly [From in TurnState]: readonly TurnState[] } = {
  QUEUED: ["RUNNING", "CANCELLED"],
  RUNNING: ["ENDED", "CANCELLED", "INTERRUPTED"],
  ENDED: [],
  CANCELLED: [],
  INTERRUPTED: [],
};

export const openTurnStates = ["QUEUED", "RUNNING"] as const satisfies readonly TurnState[];
export const liveRunStatuses = ["PENDING", "STARTING", "RUNNING", "PAUSED"] as const satisfies readonly RunStatus[];
