import { randomUUID } from "node:crypto";
import {
  api,
  RunnerCreate,
  runnerApi,
  type RunnerResources,
  RunnerState,
  type RunnerView,
  Tier,
} from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { Exit, createUsageError } from "../failure.ts";
import { addExamples, createRunnerArgument } from "../help/examples.ts";
import {
  createChoiceOption,
  createListOption,
  createDecimalSchema,
  variables,
  createIntegerSchema,
} from "../input/option-values.ts";
import { formatCount } from "../render/numbers.ts";
import { formatRunnerTable, formatRunner } from "../render/runner.ts";
import { toSafeText, toSingleLine } from "../render/safe-text.ts";
import { toShortId } from "../tasks/tasks.ts";
import { addRunnerCommands } from "./runner-commands.ts";

const CreateOptions = z.object({
  name: RunnerCreate.shape.name,
  tier: Tier.optional(),
  env: variables,
  cpus: createDecimalSchema({ min: 0.1, max: 256 }).optional(),
  memory: createDecimalSchema({ min: 0.0625, max: 4096 }).optional(),
  disk: createDecimalSchema({ min: 1, max: 65_536 }).optional(),
  image: RunnerCreate.shape.image,
  modelRoute: RunnerCreate.shape.model_route,
});
const ListOptions = z.object({
  status: RunnerState.optional(),
  limit: createIntegerSchema({ min: 1, max: 1000 }),
  offset: createIntegerSchema({ min: 0, max: 10_000 }),
  orphans: z.boolean().default(false),
});
const RemoveOptions = z.object({ all: z.boolean().default(false), orphans: z.boolean().default(false) });
const None = z.object({});

export function addRunner(program: Command, register: RegisterCommand): void {
  const group = program
    .command("runner")
    .alias("runners")
    .summary("Create and use runners")
    .description("Create and use runners: sandboxes in which you can run your own programs");
  addExamples(group, ["wharf runner create --name scratch", "wharf runner exec 1f2e3d4c ls -l"]);
  const create = group
    .command("create")
    .description("Create a runner and print its id")
    .option("-n, --name <name>", "name of the runner")
    .addOption(createChoiceOption("--tier <tier>", "size of the runner (default: small)", Tier.options))
    .addOption(createListOption("-e, --env <name=value>", "environment variable of all its programs"))
    .option("--cpus <n>", "CPU cores of a custom size (requires --memory and --disk)")
    .option("--memory <GiB>", "memory of a custom size")
    .option("--disk <GiB>", "disk of a custom size")
    .option("--image <name>", "image of the runner, for containers and pods (default: the server's choice)")
    .option("--model-route <route>", "model route that its programs may use: gemini, anthropic or openai");
  const createLines = [
    "wharf runner create --name scratch --env CI=1",
    "wharf runner create --cpus 4 --memory 8 --disk 20",
  ];
  register(addExamples(create, createLines), CreateOptions, createRunner);
  const ls = group
    .command("ls")
    .alias("list")
    .description("List runners, newest first")
    .addOption(createChoiceOption("-s, --status <state>", "list only runners in this state", RunnerState.options))
    .option("-l, --limit <n>", "maximum number of runners", "50")
    .option("--offset <n>", "number of runners to skip", "0")
    .option("--orphans", "list runners that exist in the backend but not in the server's database");
  register(addExamples(ls, ["wharf runner ls --status READY"]), ListOptions, listRunners);
  const get = group.command("get").description("Show a runner").addArgument(createRunnerArgument());
  register(addExamples(get, ["wharf runner get 1f2e3d4c"]), None, getRunner);
  const stop = group.command("stop").description("Stop a runner and keep its disk").addArgument(createRunnerArgument());
  register(addExamples(stop, ["wharf runner stop 1f2e3d4c"]), None, stopRunner);
  const start = group
    .command("start")
    .description("Start a stopped runner again, with its disk unchanged")
    .addArgument(createRunnerArgument());
  register(addExamples(start, ["wharf runner start 1f2e3d4c"]), None, startRunner);
  const rm = group
    .command("rm")
    .alias("delete")
    .description("Delete runners and their disks")
    .argument("[runners...]", "ids of the runners, or their first 8 or more characters")
    .option("--all", "delete all runners that do not belong to a task")
    .option("--orphans", "delete runners that exist in the backend but not in the server's database");
  register(addExamples(rm, ["wharf runner rm 1f2e3d4c", "wharf runner rm --all"]), RemoveOptions, removeRunners);
  addRunnerCommands(group, register);
}

const getParams = (args: readonly string[]) => ({ runner_id: args[0] ?? "" });

async function createRunner(cli: Cli, { options }: CommandLineInput<z.infer<typeof CreateOptions>>): Promise<void> {
  const { client, settings, terminal } = cli;
  const resources = toResources(options);
  const body = {
    // The client creates the id, so that a retry creates no second runner.
    request_id: randomUUID(),
    tier: options.tier ?? (resources ? ("custom" as const) : ("small" as const)),
    environment: options.env,
    ...(options.name !== undefined && { name: options.name }),
    ...(resources && { resources }),
    ...(options.image !== undefined && { image: options.image }),
    ...(options.modelRoute !== undefined && { model_route: options.modelRoute }),
  };
  const runner = await client.call(
    runnerApi.createRunner,
    { query: { wait: "true" }, body },
    { retryTimeoutMs: 5_000 },
  );
  if (settings.json) terminal.out(toJsonLine(runner));
  else terminal.out(`${toShortId(runner.id)}\n`);
  requireHealthy(cli, runner);
}

function toResources({ cpus, memory, disk }: z.infer<typeof CreateOptions>): RunnerResources | undefined {
  if (cpus === undefined && memory === undefined && disk === undefined) return undefined;
  if (cpus === undefined || memory === undefined || disk === undefined)
    throw createUsageError("a custom size requires --cpus, --memory and --disk");
  return { cpu_millicores: Math.round(cpus * 1000), memory_mb: Math.round(memory * 1024), storage_gb: Math.ceil(disk) };
}

async function listRunners(
  { client, settings, terminal, look }: Cli,
  { options }: CommandLineInput<z.infer<typeof ListOptions>>,
): Promise<void> {
  if (options.orphans) return listOrphans({ client, settings, terminal }, options);
  const { status, limit, offset } = options;
  const answer = await client.call(runnerApi.listRunners, { query: { limit, offset, ...(status && { status }) } });
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.runners.length === 0)
    return terminal.err("There are no runners. Create one with `wharf runner create`.\n");
  terminal.out(formatRunnerTable(answer.runners, look));
  const remainingCount = answer.total - answer.runners.length - offset;
  if (answer.total_capped) terminal.err(`More than ${remainingCount} more; --limit and --offset show them.\n`);
  else if (remainingCount > 0) terminal.err(`${remainingCount} more; --limit and --offset show them.\n`);
}

async function listOrphans(
  { client, settings, terminal }: Pick<Cli, "client" | "settings" | "terminal">,
  { limit, offset }: z.infer<typeof ListOptions>,
): Promise<void> {
  const answer = await client.call(runnerApi.listOrphans, { query: { limit, offset } });
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.orphans.length === 0) return terminal.err("There are no orphaned runners.\n");
  for (const { runner_id, found_at } of answer.orphans)
    terminal.out(`${toSafeText(runner_id)}  found ${toSafeText(found_at)}\n`);
  if (answer.next_cursor !== undefined) terminal.err("There are more; --limit and --offset show them.\n");
  terminal.err("These runners are stopped and keep their disks. `wharf runner rm --orphans` deletes them.\n");
}

async function removeOrphans({
  client,
  settings,
  terminal,
}: Pick<Cli, "client" | "settings" | "terminal">): Promise<void> {
  const { deleted } = await client.call(runnerApi.deleteOrphans, {});
  if (settings.json) return terminal.out(toJsonLine({ deleted }));
  terminal.out(`Deleted ${formatCount(deleted.length, "orphaned runner")}.\n`);
}

async function getRunner({ client, settings, terminal }: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const runner = await client.call(runnerApi.getRunner, { params: getParams(args) });
  if (settings.json) return terminal.out(toJsonLine(runner));
  const { backend, limits } = await client.call(api.serverInfo, {});
  terminal.out(formatRunner(runner, { style: terminal.style, ...(backend === runner.backend && { limits }) }));
}

async function stopRunner(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(cli, await cli.client.call(runnerApi.stopRunner, { params: getParams(args) }));
}

async function startRunner(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const query = { wait: "true" };
  const runner = await cli.client.call(runnerApi.startRunner, { params: getParams(args), query });
  printState(cli, runner);
  requireHealthy(cli, runner);
}

function printState({ settings, terminal }: Cli, runner: RunnerView): void {
  terminal.out(settings.json ? toJsonLine(runner) : `Runner ${toShortId(runner.id)} is ${runner.state}.\n`);
}

/** A failed runner exists and holds its error; the command that creates it fails too. */
function requireHealthy({ settings, terminal }: Cli, { state, error_message }: RunnerView): void {
  if (state !== "ERROR") return;
  if (!settings.json)
    terminal.err(`The runner could not be started: ${toSingleLine(error_message ?? "unknown reason", 400)}\n`);
  throw new Exit(2);
}

async function removeRunners(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof RemoveOptions>>,
): Promise<void> {
  if (options.orphans) {
    if (options.all || args.length > 0) throw createUsageError("--orphans cannot be combined with --all or with ids");
    return removeOrphans({ client, settings, terminal });
  }
  if (options.all === args.length > 0) throw createUsageError("name the runners, or use --all or --orphans");
  const ids = options.all ? await listStandaloneIds(client) : args;
  for (const id of ids) {
    const runner = await client.call(runnerApi.getRunner, { params: { runner_id: id } });
    await client.call(runnerApi.deleteRunner, { params: { runner_id: runner.id } });
    terminal.out(settings.json ? toJsonLine({ deleted: runner.id }) : `Deleted runner ${toShortId(runner.id)}.\n`);
  }
}

async function listStandaloneIds(client: Cli["client"]): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await client.call(runnerApi.listRunners, { query: { limit: 1_000, cursor } });
    ids.push(...page.runners.filter((runner) => runner.run_id === undefined).map((runner) => runner.id));
    cursor = page.next_cursor;
    if (cursor === undefined) return ids;
  }
}
