import type { RunStatus, TurnState } from "@wharf/contract";

/**
 * A run waits as PENDING until a slot is free, goes through the phases of STARTING, and is RUNNING
 * from its first prompt on. Between turns it stays RUNNING: it keeps its runner and returns its
 * slot. STARTING → PENDING is a retry after a platform failure, possible only before a prompt is
 * handed over. The three ends are final: a later prompt creates a new run, which takes over the
 * runner and loads the session.
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
 * A turn is QUEUED until just before its dispatch to the daemon: while another turn runs, and while
 * an interrupted turn waits for a person's decision. It is RUNNING from the commit before that call
 * until the journal reports its end. INTERRUPTED means that the runner died during the turn, or
 * lost its disk, so the agent's progress is unknown.
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
