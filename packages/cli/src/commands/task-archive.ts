import { api } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { toShortId } from "../tasks/tasks.ts";

const None = z.object({});

/** Adds the commands that archive and restore tasks. */
export function addArchiveCommands(group: Command, register: RegisterCommand): void {
  const archive = group
    .command("archive")
    .summary("Archive a task")
    .description(
      "Archive a task whose work has ended. It leaves the lists and accepts no prompt; its log and its branch are kept. `wharf task ls --archived` lists archived tasks.",
    )
    .addArgument(createTaskArgument());
  register(addExamples(archive, ["wharf task archive 1f2e3d4c"]), None, archiveTask);
  const restore = group.command("restore").description("Restore an archived task").addArgument(createTaskArgument());
  register(addExamples(restore, ["wharf task restore 1f2e3d4c"]), None, restoreTask);
}

async function archiveTask({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const task = await client.call(api.archiveTask, { params: { task_id: args[0] ?? "" } });
  if (settings.json) return terminal.out(toJsonLine(task));
  terminal.out(`Archived task ${toShortId(task.id)}. \`wharf task restore ${toShortId(task.id)}\` restores it.\n`);
}

async function restoreTask({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const task = await client.call(api.restoreTask, { params: { task_id: args[0] ?? "" } });
  terminal.out(settings.json ? toJsonLine(task) : `Restored task ${toShortId(task.id)}. It is ${task.state}.\n`);
}
