import { api } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import type { Cli, CommandLineInput, RegisterCommand } from "../cli.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { printState } from "./task-state.ts";

export const StopOptions = z.object({ reason: z.string().optional(), force: z.boolean().default(false) });

export function addStop(group: Command, register: RegisterCommand): void {
  const stop = group
    .command("stop")
    .summary("Stop a task's agent and its runner")
    .description(
      "Stop a task's agent and its runner; the runner's disk is kept. The agent is asked to end its turn first; with --force its processes are killed at once.",
    )
    .addArgument(createTaskArgument())
    .option("--reason <text>", "reason for the log")
    .option("--force", "kill the agent, also if its runner does not answer");
  register(addExamples(stop, ["wharf task stop 1f2e3d4c", "wharf task stop 1f2e3d4c --force"]), StopOptions, stopTask);
}

async function stopTask(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof StopOptions>>): Promise<void> {
  const params = { task_id: args[0] ?? "" };
  const done = options.force
    ? "Killing the agent. Its runner's disk is kept."
    : "Stopping the agent. Its disk is kept.";
  printState(cli, await cli.client.call(api.stopTask, { params, body: options }), done);
}
