import type { BackgroundCommand } from "./background-command.ts";

/**
 * Enforces one limit for the output of all background commands, so that together they cannot fill
 * the runner's disk.
 *
 * Over the limit, ended commands lose all their output, in the order in which they ended; their
 * exit codes stay. If that is not enough, the running command with the most output loses its oldest
 * output. Readers get a gap event.
 */
export class OutputBudget {
  readonly #maxBytes: number;
  readonly #commands: () => readonly BackgroundCommand[];

  constructor(maxBytes: number, commands: () => readonly BackgroundCommand[]) {
    this.#maxBytes = maxBytes;
    this.#commands = commands;
  }

  /** Runs whenever output is added. */
  enforce(): void {
    const commands = this.#commands();
    let excess = commands.reduce((sum, { outputBytes }) => sum + outputBytes, -this.#maxBytes);
    if (excess <= 0) return;
    const endedCommands = commands.filter(({ isRunning }) => !isRunning);
    for (const command of endedCommands.toSorted((a, b) => (a.endedAt < b.endedAt ? -1 : 1))) {
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
