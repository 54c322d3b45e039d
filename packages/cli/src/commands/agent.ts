import { api, LogLevel, type Run, RunStatus } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createChoiceOption, createIntegerSchema } from "../input/option-values.ts";
import { TimeOption } from "../input/time-option.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatFields, formatTable } from "../render/table.ts";
import { formatRun } from "../render/task.ts";
import { printLogLines } from "./task-logs.ts";
import { StopOptions } from "./task-stop.ts";

const ListOptions = z.object({
  status: RunStatus.optional(),
  limit: createIntegerSchema({ min: 1, max: 1000 }),
});
const LogOptions = z.object({ level: LogLevel.optional(), since: TimeOption.optional() });

export function addAgent(program: Command, register: RegisterCommand): void {
  const group = program.command("agent").description("Show and stop the runs of agents");
  addExamples(group, ["wharf agent ls --status RUNNING", "wharf agent logs 5a6b7c8d --level warn"]);
  const list = group
    .command("ls")
    .description("List the runs of agents, newest first")
    .addOption(createChoiceOption("--status <status>", "list only runs with this status", RunStatus.options))
    .option("--limit <n>", "maximum number of runs", "30");
  register(addExamples(list, ["wharf agent ls", "wharf agent ls --status RUNNING"]), ListOptions, listRuns);
  const show = group.command("show").description("Show a run").argument("<run>", "id of the run");
  register(addExamples(show, ["wharf agent show 5a6b7c8d"]), z.object({}), showRun);
  const logs = group
    .command("logs")
    .description("Show the log of a run, one line for each event")
    .argument("<run>", "id of the run")
    .addOption(createChoiceOption("--level <level>", "show only events of this level or above", LogLevel.options))
    .option("--since <time>", "show only events of this time and later");
  register(addExamples(logs, ["wharf agent logs 5a6b7c8d --level warn"]), LogOptions, showLogs);
  const stop = group
    .command("stop")
    .summary("Stop a run")
    .description("Stop a run, and no later run of its task; its runner's disk is kept.")
    .argument("<run>", "id of the run")
    .option("--reason <text>", "reason for the log")
    .option("--force", "kill the agent, also if its runner does not answer");
  register(addExamples(stop, ["wharf agent stop 5a6b7c8d"]), StopOptions, stopRun);
}

const getParams = (args: readonly string[]) => ({ agent_id: args[0] ?? "" });

async function listRuns(
  { client, settings, terminal, look }: Cli,
  { options }: CommandLineInput<z.infer<typeof ListOptions>>,
): Promise<void> {
  const answer = await client.call(api.listAgents, { query: options });
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.agents.length === 0) return terminal.err("There are no runs.\n");
  terminal.out(formatTable(["RUN", "TASK", "STATUS", "AGENT", "CHANGED", "ERROR"], answer.agents.map(toCells), look));
  const remainingCount = answer.total - answer.agents.length;
  if (remainingCount > 0) terminal.err(`${remainingCount} more; --limit shows them.\n`);
}

const toCells = (run: Run): string[] => [
  run.id.slice(0, 8),
  run.task_id.slice(0, 8),
  run.status,
  toSingleLine(run.agent_type, 60),
  formatAge(run.updated_at),
  toSingleLine(run.error_code ?? "–", 60),
];

async function showRun({ client, settings, terminal }: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const run = await client.call(api.getAgent, { params: getParams(args) });
  if (settings.json) return terminal.out(toJsonLine(run));
  const { style } = terminal;
  const fields = [
    ["run", formatRun(run, style)],
    ["task", run.task_id],
    ["agent", toSingleLine(run.agent_type, 60)],
    ["runner", run.runner_id && toSingleLine(run.runner_id, 60)],
    ["session", run.session_id && toSingleLine(run.session_id, 200)],
    ["created", formatTime(run.created_at)],
    ["started", run.started_at && formatTime(run.started_at)],
    ["stopped", run.stopped_at && formatTime(run.stopped_at)],
    ["error", run.error_message && style.red(toSingleLine(run.error_message, 400))],
  ] as const;
  terminal.out(`${formatFields(fields, style)}\n`);
}

const formatTime = (time: string): string => `${toSingleLine(time, 40)} (${formatAge(time)})`;

async function showLogs(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof LogOptions>>): Promise<void> {
  await printLogLines(cli, (cursor) =>
    cli.client.call(api.agentLogs, { params: getParams(args), query: { ...options, cursor, limit: 1000 } }),
  );
}

async function stopRun(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof StopOptions>>,
): Promise<void> {
  const run = await client.call(api.stopAgent, { params: getParams(args), body: options });
  terminal.out(settings.json ? toJsonLine(run) : `Stopping run ${run.id.slice(0, 8)}. Its runner's disk is kept.\n`);
}
