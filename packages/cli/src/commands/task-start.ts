import { api, TaskInput } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { formatQueueWait } from "../render/task.ts";
import { toShortId } from "../tasks/tasks.ts";

const StartOptions = z.object({
  agent: TaskInput.shape.agent_type,
  ignoreDependencies: z.boolean().default(false),
  force: z.boolean().default(false),
});

export function addStart(group: Command, register: RegisterCommand): void {
  const start = group
    .command("start")
    .summary("Start a task")
    .description(
      "Start a task with its description as the prompt, as soon as it may start. A task that already works or waits gets no further turn.",
    )
    .addArgument(createTaskArgument())
    .option("--agent <name>", "agent to use if none is running")
    .option("--ignore-dependencies", "start it although it waits for other tasks")
    .option("--force", "start it before all other waiting tasks too (needs the permission queue:write)");
  const lines = ["wharf task start 1f2e3d4c", "wharf task start 1f2e3d4c --ignore-dependencies"];
  register(addExamples(start, lines), StartOptions, startTask);
}

async function startTask(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof StartOptions>>,
): Promise<void> {
  const { agent, force, ignoreDependencies } = options;
  const taskId = args[0] ?? "";
  const body = {
    task_id: taskId,
    force,
    ignore_dependencies: ignoreDependencies,
    ...(agent !== undefined && { agent_type: agent }),
  };
  const started = await client.call(api.triggerTask, { body });
  if (settings.json) return terminal.out(toJsonLine(started));
  const status = await client.call(api.taskStatus, { params: { task_id: taskId } });
  const id = toShortId(status.task_id);
  const wait = status.queue === undefined ? "" : ` ${formatQueueWait(status.queue)}`;
  terminal.out(`Task ${id} is ${status.state}.${wait} Follow it with \`wharf task logs -f ${id}\`.\n`);
}
