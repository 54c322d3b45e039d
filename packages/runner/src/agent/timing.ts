/** How long the host waits for what, in ms. */
export interface Timing {
  /** From the end of stdin to SIGTERM. */
  stdinGraceMs: number;
  /** From SIGTERM to SIGKILL. */
  termGraceMs: number;
  /** From the request to end a turn to the agent's end. */
  cancelGraceMs: number;
  /** From a stop in the middle of a turn to the end of the agent. */
  stopGraceMs: number;
  /** For the output of an agent that has exited, while someone else holds its pipe. */
  drainMs: number;
  /** For model requests that are out when the agent is paused. */
  modelDrainMs: number;
  /** For its processes to stand still. */
  freezeMs: number;
  /** How long a caller who pauses is kept waiting for that; it goes on without him. */
  pauseAnswerMs: number;
  /** For the answer to a choice of mode or model. */
  choiceMs: number;
  /** For the commit after a turn. */
  commitMs: number;
  /** How long a caller waits for what an earlier daemon left open to be settled, before the disk is looked at. */
  recoveryMs: number;
  /** Between two tries of what failed on a disk. */
  retryMs: number;
}

/** Node fires a longer timer at once. */
export const maxTimerMs = 2 ** 31 - 1;

export const defaultTiming: Timing = {
  stdinGraceMs: 1_500,
  termGraceMs: 3_000,
  cancelGraceMs: 10_000,
  stopGraceMs: 2_000,
  drainMs: 2_000,
  modelDrainMs: 30_000,
  freezeMs: 5_000,
  pauseAnswerMs: 1_000,
  choiceMs: 30_000,
  commitMs: 300_000,
  recoveryMs: 2_000,
  retryMs: 1_000,
};
