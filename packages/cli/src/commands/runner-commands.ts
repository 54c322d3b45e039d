import { resolve } from "node:path";
import { consoleId, runnerApi, TerminalEvent } from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples, createRunnerArgument } from "../help/examples.ts";
import { createListOption, createDecimalSchema, variables, createIntegerSchema } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { Interrupts } from "../interrupts.ts";
import { formatSize } from "../render/numbers.ts";
import { toSafeText } from "../render/safe-text.ts";
import { attachToTerminal } from "../runner/attach.ts";
import { CommandInterrupts } from "../runner/command-interrupts.ts";
import { copyPath } from "../runner/copy.ts";
import { runCommand, getExitCode, toShellLine } from "../runner/exec.ts";
import { flushOutput, writeBytes } from "../runner/output.ts";
import { parsePlace } from "../runner/place.ts";
import { readPieces, requestStream } from "../runner/request.ts";

const maxTimeoutSeconds = 86_400;
const ExecOptions = z.object({
  interactive: z.boolean().default(false),
  workdir: z.string().max(4096),
  timeout: createDecimalSchema({ min: 0.001, max: maxTimeoutSeconds }),
  env: variables,
  shell: z.string().min(1).max(4096),
  file: z.string().optional(),
});
const AttachOptions = z.object({
  terminal: z.uuid().optional(),
  shell: z.string().min(1).max(4096),
  workdir: z.string().max(4096),
});
const LogsOptions = z.object({ follow: z.boolean().default(false), after: createIntegerSchema({ min: 0 }).optional() });
const maxCommandLength = 1_000_000; // characters
const maxLineBytes = 2 * 1024 * 1024;

/** Adds the commands that people use inside a runner. */
export function addRunnerCommands(group: Command, register: RegisterCommand): void {
  const exec = group
    .command("exec")
    .alias("execute")
    .alias("execute-command")
    .summary("Run a command in a runner")
    .description("Run a command in a runner and exit with its exit code, or with 124 if it takes too long")
    .addArgument(createRunnerArgument())
    .argument("[command...]", "program and its arguments, or one line for the shell")
    .option("-w, --workdir <folder>", "folder to run in, relative to the workspace", ".")
    .option("-i, --interactive", "pass stdin to the command (otherwise its stdin is empty)")
    .option("-t, --timeout <seconds>", "time limit of the command; at most one day", String(maxTimeoutSeconds))
    .addOption(createListOption("-e, --env <name=value>", "environment variable of the command"))
    .option("--shell <program>", "shell that runs the command", "bash")
    .option("-f, --file <path>", "read the command from a local file");
  const execLines = ["wharf runner exec 1f2e3d4c npm test", "wharf runner exec 1f2e3d4c -t 60 'cd src && ls -l'"];
  register(addExamples(exec, execLines), ExecOptions, execCommand);
  const attach = group
    .command("attach")
    .summary("Open a terminal in a runner")
    .description("Open a terminal in a runner. Ctrl-P Ctrl-Q detaches from it and leaves its program running.")
    .addArgument(createRunnerArgument())
    .argument("[command...]", "command to run in a new terminal (default: a shell)")
    .option("--terminal <id>", "attach to an existing terminal")
    .option("--shell <program>", "shell of a new terminal", "bash")
    .option("-w, --workdir <folder>", "folder of a new terminal, relative to the workspace", ".");
  const attachLines = ["wharf runner attach 1f2e3d4c", "wharf runner attach 1f2e3d4c htop"];
  register(addExamples(attach, attachLines), AttachOptions, attachTerminal);
  const cp = group
    .command("cp")
    .summary("Copy files into or out of a runner")
    .description("Copy a file or a folder between this machine and a runner")
    .argument("<from>", "source: a local path, or RUNNER:PATH")
    .argument("<to>", "destination: RUNNER:PATH, or a local path");
  const cpLines = ["wharf runner cp data.csv 1f2e3d4c:input/", "wharf runner cp 1f2e3d4c:report ."];
  register(addExamples(cp, cpLines), z.object({}), copyFiles);
  const logs = group
    .command("logs")
    .summary("Show the output of a runner")
    .description("Show the commands that ran in a runner, and their output")
    .addArgument(createRunnerArgument())
    .option("-f, --follow", "show new output as it arrives")
    .option("--after <offset>", "show only output after this offset");
  register(addExamples(logs, ["wharf runner logs 1f2e3d4c --follow"]), LogsOptions, showLogs);
}

async function execCommand(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof ExecOptions>>,
): Promise<number> {
  const { client, settings, terminal } = cli;
  const [runnerId = "", ...words] = args;
  if ((options.file === undefined) === (words.length === 0))
    throw createUsageError("give either a command or a file with --file <path>");
  const script = await readPromptText(cli, { text: undefined, file: options.file, max: maxCommandLength });
  const command = script ?? toShellLine(words);
  using interrupts = new CommandInterrupts();
  const input = {
    runner_id: runnerId,
    command,
    shell: options.shell,
    working_dir: options.workdir,
    environment: options.env,
    timeout_s: options.timeout,
  };
  const exit = await runCommand(client, input, {
    interrupts,
    stdin: options.interactive ? process.stdin : undefined,
    encoding: settings.json ? "utf8" : "base64",
    show: async (event) => {
      if (settings.json) return terminal.out(toJsonLine(event));
      if (event.type === "stdout") return writeBytes(process.stdout, Buffer.from(event.data, "base64"));
      if (event.type === "stderr") return writeBytes(process.stderr, Buffer.from(event.data, "base64"));
    },
  });
  if (settings.json) terminal.out(toJsonLine(exit));
  else if (exit.timed_out)
    terminal.err(
      `The command took longer than ${options.timeout} s and was stopped. Allow more time with --timeout <seconds>.\n`,
    );
  else if (exit.out_of_memory) terminal.err("The command was killed because the runner ran out of memory.\n");
  await flushOutput();
  return getExitCode(exit);
}

async function attachTerminal(
  { client, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof AttachOptions>>,
): Promise<number> {
  const [runnerId = "", ...words] = args;
  const result = await attachToTerminal({
    locate: client.locate,
    runner_id: runnerId,
    terminal_id: options.terminal,
    command: words.length === 0 ? undefined : toShellLine(words),
    shell: options.shell,
    working_dir: options.workdir,
    stdin: process.stdin,
    stdout: process.stdout,
    notify: (text) => terminal.err(text),
  });
  if (result.end === "exit") return getExitCode({ type: "exit", timed_out: false, ...result });
  const why = result.reason === "slow" ? " because this terminal was too slow" : "";
  const command = `wharf runner attach ${runnerId} --terminal ${result.terminal_id}`;
  terminal.err(`\r\nDetached${why}. Attach again with \`${command}\`.\n`);
  return result.exitCode;
}

async function copyFiles(
  { client, settings, terminal, folder }: Cli,
  { args }: CommandLineInput<unknown>,
): Promise<void> {
  using interrupts = new Interrupts();
  const [source, destination] = args.map((text) => {
    const place = parsePlace(text);
    return place.runner === undefined ? { path: resolve(folder, place.path) } : place;
  });
  if (!source || !destination) throw createUsageError("name a source and a destination");
  const copied = await copyPath(client, { from: source, to: destination, signal: interrupts.signal });
  if (settings.json) return terminal.out(toJsonLine(copied));
  terminal.err(`${formatSize(copied.bytes)} to ${copied.to}\n`);
  for (const path of copied.skipped ?? [])
    terminal.err(`skipped: ${path} (a device, a hard link, or a link that leads out of the folder)\n`);
}

async function showLogs(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof LogsOptions>>): Promise<void> {
  using interrupts = new Interrupts();
  const params = { runner_id: args[0] ?? "" };
  const logRange = { params, after: options.after, signal: interrupts.signal };
  for await (const event of options.follow ? followLogs(cli, logRange) : readHistory(cli, logRange))
    await showEvent(cli, event);
  await flushOutput();
}

interface LogRange {
  readonly params: { readonly runner_id: string };
  readonly after: number | undefined;
  readonly signal: AbortSignal;
}

async function* readHistory(
  { client }: Cli,
  { params, after: startOffset, signal }: LogRange,
): AsyncGenerator<TerminalEvent, void, undefined> {
  for (let offset = startOffset ?? 0; ;) {
    const query = { after: offset, limit: 1_000 };
    const page = await client.call(runnerApi.runnerLogs, { params, query }, { signal });
    yield* page.entries;
    if (!page.has_more) return;
    offset = page.next;
  }
}

async function* followLogs(
  { client }: Cli,
  { params, after: startOffset, signal }: LogRange,
): AsyncGenerator<TerminalEvent, void, undefined> {
  const query = startOffset === undefined ? {} : { after: startOffset };
  const answer = await requestStream(client.locate, runnerApi.followRunnerLogs, { params, query }, { signal });
  for await (const line of readNdjsonLines(readPieces(answer, signal), maxLineBytes))
    yield TerminalEvent.parse(JSON.parse(line));
}

async function showEvent({ settings, terminal }: Cli, event: TerminalEvent): Promise<void> {
  if (settings.json) return terminal.out(toJsonLine(event));
  const { style, errStyle } = terminal;
  switch (event.type) {
    case "stdout":
      return terminal.out(toSafeText(event.data));
    case "stderr":
      return terminal.err(toSafeText(event.data));
    case "command":
      return terminal.out(`${style.dim(`$ ${toSafeText(event.data).trimEnd()}`)}\n`);
    case "gap":
      return terminal.err(errStyle.dim(`[${formatSize(event.to - event.from)} are no longer available]\n`));
    case "detached":
      return terminal.err(
        errStyle.dim(`[detached from the ${consoleId}: ${event.reason}; continue with --after ${event.offset}]\n`),
      );
    default:
      return undefined;
  }
}
