import type { Task } from "@wharf/contract";
import { type Cli, toJsonLine } from "../cli.ts";
import { toShortId } from "../tasks/tasks.ts";

/** Prints the state of a task after a command that changed it. */
export function printState({ settings, terminal }: Cli, task: Pick<Task, "id" | "state">, message: string): void {
  terminal.out(settings.json ? toJsonLine(task) : `${message} Task ${toShortId(task.id)} is ${task.state}.\n`);
}
