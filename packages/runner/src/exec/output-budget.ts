import type { BackgroundCommand } from "./background-command.ts";

/**
 * One limit for the output of all commands in the background, so that they do not fill the runner's disk together.
 *
 * Over it, commands that have ended lose all their output, the one that ended first before the others; their exit codes
 * stay. If that is not enough, the running command with the most output loses its oldest. Readers are told of a gap.
 */
export class OutputBudget {
  readonly #maxBytes: number;
  readonly #commands: () => readonly BackgroundCommand[];

  constructor(maxBytes: number, commands: () => readonly BackgroundCommand[]) {
    this.#maxBytes = maxBytes;
    this.#commands = commands;
  }

  /** Called whenever there is more output. */
  enforce(): void {
    const commands = this.#commands();
    let excess = commands.reduce((sum, { outputBytes }) => sum + outputBytes, -this.#maxBytes);
    if (excess <= 0) return;
    const ended = commands.filter(({ isRunning }) => !isRunning);
    for (const command of ended.toSorted((a, b) => (a.endedAt < b.endedAt ? -1 : 1))) {
      excess -= command.dropOutput();
      if (excess <= 0) return;
    }
    const running = commands.filter(({ isRunning }) => isRunning);
    while (excess > 0) {
      const [largest] = running.toSorted((a, b) => b.outputBytes - a.outputBytes);
      const dropped = largest?.dropOldestOutput() ?? 0;
      if (dropped === 0) return;
      excess -= dropped;
    }
  }
}
