import { api, type OrchestratorStatus, type QueuedTask } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { formatAge, formatCount, formatWait } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { toShortId } from "../tasks/tasks.ts";

const ListOptions = z.object({ limit: createIntegerSchema({ min: 1, max: 1000 }) });
const PauseOptions = z.object({ reason: z.string().max(2000).optional() });

export function addQueue(program: Command, register: RegisterCommand): void {
  const group = program
    .command("queue")
    .option("--limit <n>", "maximum number of tasks", "30")
    .summary("Show and pause the queue")
    .description(
      "List the tasks that wait, in the order in which they start, with what they wait for. The subcommands pause and resume the queue.",
    );
  register(addExamples(group, ["wharf queue", "wharf queue --limit 100"]), ListOptions, listQueue);
  const pause = group
    .command("pause")
    .description("Start no more turns, on all servers. Running turns go on")
    .option("--reason <text>", "reason that people see");
  register(
    addExamples(pause, ["wharf queue pause", 'wharf queue pause --reason "maintenance until 10:00"']),
    PauseOptions,
    pauseQueue,
  );
  const resume = group.command("resume").description("Start turns again after a pause");
  register(addExamples(resume, ["wharf queue resume"]), z.object({}), resumeQueue);
}

async function listQueue(
  { client, settings, terminal, look }: Cli,
  { options }: CommandLineInput<z.infer<typeof ListOptions>>,
): Promise<void> {
  const [status, page] = await Promise.all([
    client.call(api.orchestratorStatus, {}),
    client.call(api.orchestratorQueue, { query: { limit: options.limit } }),
  ]);
  if (settings.json) return terminal.out(toJsonLine({ ...page, status }));
  terminal.err(`${formatStatus(status)}\n`);
  if (page.tasks.length === 0) return terminal.err("No tasks wait.\n");
  const header = ["NEXT", "TASK", "PRIORITY", "WAITING", "STARTS", "TITLE", "WAITS FOR"];
  terminal.out(formatTable(header, page.tasks.map(toCells), look));
  const remainingCount = page.total - page.tasks.length;
  if (remainingCount > 0) terminal.err(`${remainingCount} more; --limit shows them.\n`);
}

const toCells = (task: QueuedTask): string[] => [
  task.position === undefined ? "–" : String(task.position),
  toShortId(task.task_id),
  String(task.priority),
  formatAge(task.queued_at),
  task.estimated_start === undefined ? "–" : formatWait(task.estimated_start),
  toSingleLine(task.title, maxCellLength),
  toSingleLine(task.reason, 300),
];

function formatStatus({ running_turns, slots, pause }: OrchestratorStatus): string {
  const used = `${formatCount(running_turns, "turn")} running, ${formatCount(slots, "slot")}.`;
  if (pause === undefined) return used;
  return `${used} The queue is paused${pause.reason === undefined ? "" : `: ${toSingleLine(pause.reason, 2000)}`} (\`wharf queue resume\` resumes it).`;
}

async function pauseQueue(
  { client, settings, terminal }: Cli,
  { options }: CommandLineInput<z.infer<typeof PauseOptions>>,
): Promise<void> {
  const status = await client.call(api.pauseQueue, { body: options });
  if (settings.json) return terminal.out(toJsonLine(status));
  terminal.out(`The queue is paused. ${formatCount(status.running_turns, "running turn")} will go on.\n`);
}

async function resumeQueue({ client, settings, terminal }: Cli): Promise<void> {
  const status = await client.call(api.resumeQueue, {});
  if (settings.json) return terminal.out(toJsonLine(status));
  terminal.out(`The queue is resumed. ${formatCount(status.queued_tasks, "task")} in it.\n`);
}
