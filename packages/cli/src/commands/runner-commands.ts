import { resolve } from "node:path";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { Command } from "commander";
import { z } from "zod";
import { consoleId, runnerApi, TerminalEvent } from "@wharf/contract";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { Interrupts } from "../interrupts.ts";
import { collect, createDecimalSchema, variables, createIntegerSchema } from "../option-values.ts";
import { readPromptText } from "../prompt-text.ts";
import { toSafeText } from "../render/safe-text.ts";
import { formatSize } from "../render/numbers.ts";
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
  const run = group
    .command("exec <runner> [command...]")
    .alias("execute")
    .alias("execute-command")
    .description("run a command and exit with its code (124: it took too long): wharf runner exec RUNNER -- ls -l")
    .option("-w, --workdir <folder>", "where, beneath the workspace", ".")
    .option("-i, --interactive", "pass this command's stdin to it; otherwise it reads nothing")
    .option("-t, --timeout <seconds>", "how long it may take; a day at most", String(maxTimeoutSeconds))
    .option("-e, --env <name=value>", "a variable for it (repeatable)", collect, [])
    .option("--shell <program>", "what runs it", "bash")
    .option("-f, --file <path>", "take the command from a file here");
  register(run, ExecOptions, execCommand);
  const terminal = group
    .command("attach <runner> [command...]")
    .description("a terminal in it; ctrl-p ctrl-q leaves it at work")
    .option("--terminal <id>", "one that is there")
    .option("--shell <program>", "what runs in a new one", "bash")
    .option("-w, --workdir <folder>", "where, beneath the workspace", ".");
  register(terminal, AttachOptions, attachTerminal);
  register(
    group.command("cp <from> <to>").description("copy a file or folder; one end is RUNNER:PATH"),
    z.object({}),
    copyFiles,
  );
  const logs = group
    .command("logs <runner>")
    .description("what was run in it, and what that printed")
    .option("-f, --follow", "go on with what comes")
    .option("--after <offset>", "only what came after this offset");
  register(logs, LogsOptions, showLogs);
}

async function execCommand(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof ExecOptions>>,
): Promise<number> {
  const { client, settings, terminal } = cli;
  const [runner_id = "", ...words] = args;
  if ((options.file === undefined) === (words.length === 0))
    throw createUsageError("give either a command or a file with --file <path>");
  const script = await readPromptText(cli, { text: undefined, file: options.file, max: maxCommandLength });
  const command = script ?? toShellLine(words);
  using interrupts = new CommandInterrupts();
  const input = {
    runner_id,
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
      `The command took longer than ${options.timeout} s and was ended. Give it more time with --timeout <seconds>.\n`,
    );
  else if (exit.out_of_memory) terminal.err("The command was ended: the runner's memory was used up.\n");
  await flushOutput();
  return getExitCode(exit);
}

async function attachTerminal(
  { client, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof AttachOptions>>,
): Promise<number> {
  const [runner_id = "", ...words] = args;
  const ended = await attachToTerminal({
    locate: client.locate,
    runner_id,
    terminal_id: options.terminal,
    command: words.length === 0 ? undefined : toShellLine(words),
    shell: options.shell,
    working_dir: options.workdir,
    stdin: process.stdin,
    stdout: process.stdout,
    notify: (text) => terminal.err(text),
  });
  if (ended.end === "exit") return getExitCode({ type: "exit", timed_out: false, ...ended });
  const why = ended.reason === "slow" ? "Detached, as this terminal was too slow" : "Detached";
  terminal.err(`\r\n${why}; \`wharf runner attach ${runner_id} --terminal ${ended.terminal_id}\` comes back.\n`);
  return ended.exitCode;
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
  if (!source || !destination) throw createUsageError("name what is copied, and where to");
  const copied = await copyPath(client, { from: source, to: destination, signal: interrupts.signal });
  if (settings.json) return terminal.out(toJsonLine(copied));
  terminal.err(`${formatSize(copied.bytes)} to ${copied.to}\n`);
  for (const path of copied.skipped ?? [])
    terminal.err(`left out: ${path} (a device, a hard link, or a link that leads out of the folder)\n`);
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
      return terminal.err(errStyle.dim(`[${formatSize(event.to - event.from)} are no longer kept]\n`));
    case "detached":
      return terminal.err(
        errStyle.dim(`[detached from the ${consoleId}: ${event.reason}; go on with --after ${event.offset}]\n`),
      );
    default:
      return undefined;
  }
}
