import { type CommandInfo, CommandSignal } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, toJsonLine, type RegisterCommand } from "../../cli.ts";
import { createUsageError } from "../../failure.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import {
  createChoiceOption,
  createDecimalSchema,
  createIntegerSchema,
  createListOption,
  variables,
} from "../../input/option-values.ts";
import { formatAge, formatSize } from "../../render/numbers.ts";
import { toSafeText, toSingleLine } from "../../render/safe-text.ts";
import { formatTable, maxCellLength, type TableStyle } from "../../render/table.ts";
import { toShellLine } from "../../runner/exec.ts";
import { flushOutput, writeBytes } from "../../runner/output.ts";
import { toShortId } from "../../tasks/tasks.ts";
import { findJob } from "../../workspace/jobs.ts";
import { maxTimeoutSeconds } from "../exec-command.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";
import { openInput } from "./content.ts";

const StartOptions = z.object({
  workdir: z.string().max(4096),
  timeout: createDecimalSchema({ min: 0.001, max: maxTimeoutSeconds }).optional(),
  env: variables,
  shell: z.string().min(1).max(4096),
  stdin: z.boolean().default(false),
});
const OutputOptions = z.object({
  follow: z.boolean().default(false),
  after: createIntegerSchema({ min: 0 }),
});
const InputOptions = z.object({ end: z.boolean().default(false) });
const KillOptions = z.object({ signal: CommandSignal });
const jobArgument = ["<job>", "id of the command, or its first characters"] as const;

/** Adds the commands for programs in the background, which continue without a reader. */
export function addJobCommands(workspace: Command, register: RegisterCommand): void {
  const group = workspace
    .command("jobs")
    .summary("Run commands in the background")
    .description("Run commands in the background: they continue without a reader, and keep their output");
  addExamples(group, ["wharf workspace jobs start 1f2e3d4c npm run dev", "wharf workspace jobs ls 1f2e3d4c"]);
  const start = group
    .command("start")
    .description("Start a command in the background and print its id")
    .addArgument(createWorkspaceArgument())
    .argument("<command...>", "program and its arguments, or one line for the shell")
    .option("-w, --workdir <folder>", "folder to run in, relative to the workspace", ".")
    .option("-t, --timeout <seconds>", "time limit of the command (default: none)")
    .addOption(createListOption("-e, --env <name=value>", "environment variable of the command"))
    .option("--shell <program>", "shell that runs the command", "bash")
    .option("--stdin", "keep the command's stdin open for `jobs input`");
  register(
    addExamples(start, ["wharf workspace jobs start 1f2e3d4c npm run dev"]),
    StartOptions,
    inWorkspace(startJob),
  );
  const ls = group
    .command("ls")
    .alias("list")
    .description("List running commands, and background commands that have ended")
    .addArgument(createWorkspaceArgument());
  register(addExamples(ls, ["wharf workspace jobs ls 1f2e3d4c"]), z.object({}), inWorkspace(listJobs));
  const output = group
    .command("output")
    .description("Show the output of a command. When piped, its bytes are unchanged.")
    .addArgument(createWorkspaceArgument())
    .argument(...jobArgument)
    .option("-f, --follow", "show new output until the command ends")
    .option("--after <offset>", "show only output after this offset", "0");
  const outputLines = ["wharf workspace jobs output 1f2e3d4c 5a6b7c8d --follow"];
  register(addExamples(output, outputLines), OutputOptions, inWorkspace(showOutput));
  const input = group
    .command("input")
    .description("Send a line to a command that was started with --stdin")
    .addArgument(createWorkspaceArgument())
    .argument(...jobArgument)
    .argument("[text]", "line to send; - sends stdin unchanged")
    .option("--end", "end the command's input");
  const inputLines = ['wharf workspace jobs input 1f2e3d4c 5a6b7c8d "yes"'];
  register(addExamples(input, inputLines), InputOptions, inWorkspace(sendInput));
  const kill = group
    .command("kill")
    .description("Send a signal to all processes of a command")
    .addArgument(createWorkspaceArgument())
    .argument(...jobArgument)
    .addOption(createChoiceOption("-s, --signal <name>", "signal to send", CommandSignal.options).default("SIGTERM"));
  register(addExamples(kill, ["wharf workspace jobs kill 1f2e3d4c 5a6b7c8d"]), KillOptions, inWorkspace(killJob));
  const rm = group
    .command("rm")
    .alias("delete")
    .description("Stop a command and delete its output")
    .addArgument(createWorkspaceArgument())
    .argument(...jobArgument);
  register(addExamples(rm, ["wharf workspace jobs rm 1f2e3d4c 5a6b7c8d"]), z.object({}), inWorkspace(removeJob));
}

const startJob: WorkspaceAction<z.infer<typeof StartOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const body = {
    command: toShellLine(args),
    shell: options.shell,
    working_dir: options.workdir,
    environment: options.env,
    stdin_open: options.stdin,
    ...(options.timeout !== undefined && { timeout_s: options.timeout }),
  };
  const started = await workspace.call(workspace.routes.startCommand, { body });
  terminal.out(settings.json ? toJsonLine(started) : `${toShortId(started.command_id)}\n`);
};

const listJobs: WorkspaceAction<unknown> = async ({ settings, terminal, look }, workspace) => {
  const listed = await workspace.call(workspace.routes.commands, {});
  if (settings.json) return terminal.out(toJsonLine(listed));
  if (listed.commands.length === 0) return terminal.err("There are no commands.\n");
  terminal.out(formatJobs(listed.commands, look));
};

function formatJobs(commands: readonly CommandInfo[], look: TableStyle): string {
  const rows = commands.map((one) => [
    toShortId(one.command_id),
    formatJobState(one),
    formatAge(one.started_at),
    one.output ? formatSize(one.output.end) : "–",
    toSingleLine(one.command, maxCellLength),
  ]);
  return formatTable(["JOB", "STATE", "STARTED", "OUTPUT", "COMMAND"], rows, look);
}

function formatJobState({ state, exit_code, signal, timed_out }: CommandInfo): string {
  if (state !== "exited") return state;
  if (timed_out) return "timed out";
  return signal ? toSingleLine(signal, 20) : `exit ${exit_code ?? "unknown"}`;
}

const showOutput: WorkspaceAction<z.infer<typeof OutputOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const params = { command_id: await findJob(workspace, args[0] ?? "") };
  const encoding = settings.json || terminal.isTty ? ("utf8" as const) : ("base64" as const);
  const query = { after: options.after, follow: String(options.follow), encoding };
  for await (const event of workspace.readLines(workspace.routes.followCommand, { params, query })) {
    if (settings.json) terminal.out(toJsonLine(event));
    else if (event.type === "gap") terminal.err(`[${formatSize(event.to - event.from)} are no longer available]\n`);
    else if (event.type !== "exit") await printOutput(cli, event);
  }
  await flushOutput();
};

/** Prints output: cleaned for a person's terminal, and otherwise unchanged. */
async function printOutput(
  { terminal }: Cli,
  { type, data }: { readonly type: "stdout" | "stderr"; readonly data: string },
): Promise<void> {
  const isError = type === "stderr";
  if (!terminal.isTty) return writeBytes(isError ? process.stderr : process.stdout, Buffer.from(data, "base64"));
  const text = toSafeText(data);
  if (isError) terminal.err(text);
  else terminal.out(text);
}

const sendInput: WorkspaceAction<z.infer<typeof InputOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const [job = "", text] = args;
  if (text === undefined && !options.end) throw createUsageError("give a line to send, or --end");
  const params = { command_id: await findJob(workspace, job) };
  let offset = 0;
  const send = async (data: Buffer, end: boolean) => {
    const body = { data: data.toString("base64"), encoding: "base64" as const, end };
    ({ offset } = await workspace.call(workspace.routes.writeCommand, { params, body }));
  };
  if (text === "-") for await (const piece of await openInput(cli, undefined)) await send(Buffer.from(piece), false);
  else if (text !== undefined) await send(Buffer.from(`${text}\n`), options.end);
  if (options.end && (text === undefined || text === "-")) await send(Buffer.alloc(0), true);
  if (settings.json) terminal.out(toJsonLine({ offset }));
};

const killJob: WorkspaceAction<z.infer<typeof KillOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const params = { command_id: await findJob(workspace, args[0] ?? "") };
  const killed = await workspace.call(workspace.routes.killCommand, { params, body: { signal: options.signal } });
  if (settings.json) return terminal.out(toJsonLine(killed));
  terminal.out(`Sent ${options.signal} to ${toShortId(killed.command_id)}.\n`);
};

const removeJob: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace, { args }) => {
  const id = await findJob(workspace, args[0] ?? "");
  await workspace.call(workspace.routes.removeCommand, { params: { command_id: id } });
  terminal.out(settings.json ? toJsonLine({ deleted: id }) : `Deleted ${toShortId(id)}.\n`);
};
