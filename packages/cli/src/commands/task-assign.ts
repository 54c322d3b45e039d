import { api } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { toShortId } from "../tasks/tasks.ts";

/** Adds the command that assigns tasks to people. */
export function addAssignCommand(group: Command, register: RegisterCommand): void {
  const assign = group
    .command("assign")
    .summary("Assign a task to a person")
    .description(
      "Assign a task to a person who sees its board. `wharf task ls --assignee me` lists the tasks that are assigned to you.",
    )
    .addArgument(createTaskArgument())
    .argument("<user>", "name of the user, or their id; or me, or none");
  const lines = ["wharf task assign 1f2e3d4c ada", "wharf task assign 1f2e3d4c none"];
  register(addExamples(assign, lines), z.object({}), assignTask);
}

async function assignTask({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const [taskId = "", user = ""] = args;
  const body = user === "none" ? {} : { user };
  const task = await client.call(api.assignTask, { params: { task_id: taskId }, body });
  if (settings.json) return terminal.out(toJsonLine(task));
  const assignment =
    user === "none" ? "is not assigned" : `is assigned to ${user === "me" ? "you" : toSingleLine(user)}`;
  terminal.out(`Task ${toShortId(task.id)} ${assignment} now.\n`);
}
