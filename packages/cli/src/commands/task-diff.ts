import { api, TurnChoice } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { formatDiffStat, formatPatch } from "../render/diff.ts";
import { writeBytes } from "../runner/output.ts";
import { turnOption } from "./turn-option.ts";

const DiffOptions = z.object({
  turn: TurnChoice.optional(),
  path: z.string().optional(),
  stat: z.boolean().default(false),
});

export function addDiff(group: Command, register: RegisterCommand): void {
  const diff = group
    .command("diff")
    .summary("Show the changes on a task's branch")
    .description("Show the changes on a task's branch. When piped, the output is a plain patch for `git apply`.")
    .addArgument(createTaskArgument())
    .option(...turnOption)
    .option("--path <path>", "only changes of this file or folder")
    .option("--stat", "show only the number of changed lines in each file");
  const diffLines = [
    "wharf task diff 1f2e3d4c --stat",
    "wharf task diff 1f2e3d4c --turn 2",
    "wharf task diff 1f2e3d4c | git apply",
  ];
  register(addExamples(diff, diffLines), DiffOptions, showDiff);
}

async function showDiff(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof DiffOptions>>,
): Promise<void> {
  const { turn, path, stat } = options;
  const query = { ...(turn !== undefined && { turn }), ...(path !== undefined && { path }), stat: String(stat) };
  const diff = await client.call(api.getTaskDiff, { params: { task_id: args[0] ?? "" }, query });
  if (settings.json) return terminal.out(toJsonLine(diff));
  if (options.stat) return terminal.out(`${formatDiffStat(diff.files, terminal.style)}\n`);
  if (terminal.isTty) terminal.out(formatPatch(diff.patch, terminal.style));
  // Piped output has to stay byte for byte what git can apply.
  else await writeBytes(process.stdout, Buffer.from(diff.patch));
  if (diff.truncated) terminal.err("The patch is too large to show completely. Fetch the branch to see all of it.\n");
}
