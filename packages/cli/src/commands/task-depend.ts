import { api, type Dependency, DependencyIds } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { createListOption } from "../input/option-values.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { toShortId } from "../tasks/tasks.ts";

const DependOptions = z.object({ on: DependencyIds.default([]), remove: DependencyIds.default([]) });

export function addDepend(group: Command, register: RegisterCommand): void {
  const depend = group
    .command("depend")
    .summary("Let a task wait for others")
    .description(
      "Let a task wait until others are COMPLETED, and list what it waits for. It starts by itself then if you have started it.",
    )
    .addArgument(createTaskArgument())
    .addOption(createListOption("--on <task>", "task to wait for"))
    .addOption(createListOption("--remove <task>", "task to wait for no longer"));
  const lines = ["wharf task depend 1f2e3d4c", "wharf task depend 1f2e3d4c --on 5a6b7c8d"];
  register(addExamples(depend, lines), DependOptions, changeDependencies);
}

async function changeDependencies(
  { client, settings, terminal, look }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof DependOptions>>,
): Promise<void> {
  const params = { task_id: args[0] ?? "" };
  for (const id of options.remove)
    await client.call(api.removeDependency, { params: { ...params, depends_on_id: id } });
  for (const id of options.on) await client.call(api.addDependency, { params: { ...params, depends_on_id: id } });
  const answer = await client.call(api.listDependencies, { params });
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.depends_on.length === 0) return terminal.err("The task waits for no other task.\n");
  terminal.out(formatTable(["TASK", "STATE", "WAITS", "TITLE"], answer.depends_on.map(toCells), look));
}

const toCells = ({ task_id, state, is_open, title }: Dependency): string[] => [
  toShortId(task_id),
  state ?? "deleted",
  is_open ? "yes" : "no",
  toSingleLine(title ?? "–", maxCellLength),
];
