import {
  api,
  defaultReportDays,
  formatHostUsageCsv,
  formatResourceUsageCsv,
  formatUsageCsv,
  ResourceGroup,
  UsageGroup,
  UsageQuery,
} from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { createChoiceOption, createIntegerSchema } from "../input/option-values.ts";
import { TimeOption } from "../input/time-option.ts";
import { formatHosts } from "../render/host-usage.ts";
import { formatResources } from "../render/resources.ts";
import { formatUsage } from "../render/usage.ts";

/** What rows stand for: `runner` only with --resources. */
const groupNames = [...UsageGroup.options, "runner"] as const;

const Options = z.object({
  resources: z.boolean().default(false),
  hosts: z.boolean().default(false),
  by: z.enum(groupNames).optional(),
  task: z.string().optional(),
  board: z.uuid("a full id (a UUID)").optional(),
  user: z.uuid("a full id (a UUID)").optional(),
  run: z.uuid("a full id (a UUID)").optional(),
  agent: UsageQuery.shape.agent_type,
  route: UsageQuery.shape.route,
  model: UsageQuery.shape.model,
  from: TimeOption.optional(),
  to: TimeOption.optional(),
  limit: createIntegerSchema({ min: 1, max: 10_000 }),
  csv: z.boolean().default(false),
});
type Options = z.infer<typeof Options>;

export function addUsage(program: Command, register: RegisterCommand): void {
  const command = program
    .command("usage")
    .option("--resources", "show the time, CPU, memory and storage of runners instead")
    .option("--hosts", "show the hosts that runners reached, and what they sent there")
    .addOption(
      createChoiceOption("--by <what>", "what each row stands for (default: model; of resources: task)", groupNames),
    )
    .option("--task <task>", "only usage of this task")
    .option("--board <board>", "only usage of this board's tasks")
    .option("--user <user>", "only usage that this user caused")
    .option("--run <run>", "only usage of this run")
    .option("--agent <name>", "only usage of this agent")
    .option("--route <name>", "only usage of this model route")
    .option("--model <name>", "only usage of this model")
    .option(
      "--from <time>",
      `usage of this day or time and later, in UTC (default: the last ${defaultReportDays} days)`,
    )
    .option("--to <time>", "usage before this day or time (UTC)")
    .option("-l, --limit <n>", "maximum number of rows", "1000")
    .option("--csv", "print CSV for spreadsheets")
    .summary("Show what tasks used of models and runners, and the cost of models")
    .description(
      "Show what tasks used of models, and its cost. Every request is counted, also of failed runs. With --resources, show what their runners used; with --hosts, where their data went.",
    );
  const lines = [
    "wharf usage",
    "wharf usage --by day --from 2026-01-01",
    "wharf usage --by model --task 8c942c99",
    "wharf usage --by task --csv",
    "wharf usage --resources --by user --from 2026-01-01",
    "wharf usage --hosts --task 8c942c99",
  ];
  register(addExamples(command, lines), Options, showUsage);
}

async function showUsage(cli: Cli, { options }: CommandLineInput<Options>): Promise<void> {
  const { client, settings, terminal, look } = cli;
  if (options.csv && settings.json) throw createUsageError("give --csv or --json, not both");
  if (options.resources && options.hosts) throw createUsageError("give --resources or --hosts, not both");
  if (options.hosts) return showHosts(cli, options);
  if (options.resources) return showResources(cli, options);
  const { by = "model", route, model } = options;
  const group = UsageGroup.safeParse(by).data;
  if (group === undefined) throw createUsageError(`--by ${by} needs --resources`);
  const query = { ...(await findFilters(cli, options)), route, model, group_by: group };
  const report = await client.call(api.getUsage, { query });
  if (settings.json) return terminal.out(toJsonLine(report));
  terminal.out(options.csv ? formatUsageCsv(report) : formatUsage(report, look));
}

async function showResources(cli: Cli, options: Options): Promise<void> {
  const { client, settings, terminal, look } = cli;
  const { by = "task", route, model } = options;
  const group = ResourceGroup.safeParse(by).data;
  if (group === undefined)
    throw createUsageError(`--resources has no --by ${by}; it has ${ResourceGroup.options.join(", ")}`);
  if (route !== undefined || model !== undefined)
    throw createUsageError("--resources has no --route and no --model: a runner may use several models");
  const query = { ...(await findFilters(cli, options)), group_by: group };
  const report = await client.call(api.getResourceUsage, { query });
  if (settings.json) return terminal.out(toJsonLine(report));
  terminal.out(options.csv ? formatResourceUsageCsv(report) : formatResources(report, look));
}

/** The options that a report of hosts has. */
const hostOptions: ReadonlySet<string> = new Set(["hosts", "task", "board", "limit", "csv", "resources"]);

async function showHosts(cli: Cli, options: Options): Promise<void> {
  const { client, settings, terminal, look } = cli;
  const [excess] = Object.entries(options).find(([name, value]) => value !== undefined && !hostOptions.has(name)) ?? [];
  if (excess !== undefined) throw createUsageError(`--hosts has no --${excess}; it has --task and --board`);
  const { task_id, board_id, limit } = await findFilters(cli, options);
  const report = await client.call(api.getHostUsage, { query: { task_id, board_id, limit } });
  if (settings.json) return terminal.out(toJsonLine(report));
  terminal.out(options.csv ? formatHostUsageCsv(report) : formatHosts(report, look));
}

/** Returns the filters that all reports have. A task may be given by the start of its id. */
async function findFilters({ client }: Cli, { task, board, user, run, agent, from, to, limit }: Options) {
  const isFullId = UsageQuery.shape.task_id.safeParse(task).success;
  const found = task === undefined || isFullId ? undefined : client.call(api.getTask, { params: { task_id: task } });
  const taskId = found === undefined ? task : (await found).id;
  return { task_id: taskId, board_id: board, user_id: user, run_id: run, agent_type: agent, from, to, limit };
}
