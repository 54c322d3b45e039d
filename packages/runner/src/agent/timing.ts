/** How long the host waits for what, in ms. */
export interface Timing {
  /** From the end of stdin to SIGTERM. */
  stdinGrace: number;
  /** From SIGTERM to SIGKILL. */
  termGrace: number;
  /** From the request to end a turn to the agent's end. */
  cancelGrace: number;
  /** From a stop in the middle of a turn to the end of the agent. */
  stopGrace: number;
  /** For the output of an agent that has exited, while someone else holds its pipe. */
  drain: number;
  /** For model requests that are out when the agent is paused. */
  modelDrain: number;
  /** For its processes to stand still. */
  freeze: number;
  /** How long a caller who pauses is kept waiting for that; it goes on without him. */
  pauseAnswer: number;
  /** For the answer to a choice of mode or model. */
  choice: number;
  /** For the commit after a turn. */
  commit: number;
  /** How long a caller waits for what an earlier daemon left open to be settled, before the disk is looked at. */
  recovery: number;
  /** Between two tries of what failed on a disk. */
  retry: number;
}

/** Node fires a longer timer at once. */
export const longestTimer = 2 ** 31 - 1;

export const defaultTiming: Timing = {
  stdinGrace: 1_500,
  termGrace: 3_000,
  cancelGrace: 10_000,
  stopGrace: 2_000,
  drain: 2_000,
  modelDrain: 30_000,
  freeze: 5_000,
  pauseAnswer: 1_000,
  choice: 30_000,
  commit: 300_000,
  recovery: 2_000,
  retry: 1_000,
};
