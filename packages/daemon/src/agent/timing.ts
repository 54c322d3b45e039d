/** Timing sets the host's waits, in milliseconds. */
export interface Timing {
  /** After the end of stdin, the agent gets this long before SIGTERM. */
  stdinGraceMs: number;
  /** After SIGTERM, the agent gets this long before SIGKILL. */
  termGraceMs: number;
  /** After the request to end a turn, the agent gets this long before it is killed. */
  cancelGraceMs: number;
  /** After a stop during a turn, the agent gets this long to end. */
  stopGraceMs: number;
  /**
   * The host waits this long for the output of an exited agent while another process holds its pipe
   * open.
   */
  drainMs: number;
  /** A pause waits this long for open model requests. */
  modelDrainMs: number;
  /** A pause waits this long for the agent's processes to stop. */
  freezeMs: number;
  /** A caller of pause gets an answer after this long; the pause continues in the background. */
  pauseAnswerMs: number;
  /** The agent has this long to answer a choice of mode or model. */
  choiceMs: number;
  /** The host waits this long for the commit after a turn. */
  commitMs: number;
  /** A caller waits this long for recovery before the host checks the disk. */
  recoveryMs: number;
  /** The host waits this long before it retries an operation that failed on a disk. */
  retryMs: number;
}

/** Node fires a timer with a longer delay at once. */
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
