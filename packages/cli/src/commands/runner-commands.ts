import { resolve } from "node:path";
import { consoleId, runnerApi, TerminalEvent, terminalStreamPath } from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples, createRunnerArgument } from "../help/examples.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { Interrupts } from "../interrupts.ts";
import { formatSize } from "../render/numbers.ts";
import { toSafeText } from "../render/safe-text.ts";
import { copyPath, formatCopy } from "../runner/copy.ts";
import { flushOutput } from "../runner/output.ts";
import { parsePlace } from "../runner/place.ts";
import { createRunnerCommands } from "../runner/remote-commands.ts";
import { createRunnerFiles } from "../runner/remote-files.ts";
import { readPieces, requestStream } from "../runner/request.ts";
import { AttachOptions, createAttachCommand, showTerminal } from "./attach-command.ts";
import { createExecCommand, ExecOptions, showExec } from "./exec-command.ts";

const LogsOptions = z.object({ follow: z.boolean().default(false), after: createIntegerSchema({ min: 0 }).optional() });
const maxLineBytes = 2 * 1024 * 1024;

/** Adds the commands that people use inside a runner. */
export function addRunnerCommands(group: Command, register: RegisterCommand): void {
  const exec = createExecCommand(group, "runner", createRunnerArgument());
  register(exec, ExecOptions, execCommand);
  register(createAttachCommand(group, "runner", createRunnerArgument()), AttachOptions, attachTerminal);
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

async function execCommand(cli: Cli, { args, options }: CommandLineInput<ExecOptions>): Promise<number> {
  const [runnerId = "", ...words] = args;
  return showExec(cli, { words, options, open: () => createRunnerCommands(cli.client, runnerId) });
}

async function attachTerminal(cli: Cli, { args, options }: CommandLineInput<AttachOptions>): Promise<number> {
  const [runnerId = "", ...words] = args;
  const socket = { path: terminalStreamPath, params: { runner_id: runnerId } };
  return showTerminal(cli, { words, options, socket, name: `runner attach ${runnerId}` });
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
  const { signal } = interrupts;
  const open = (id: string) => createRunnerFiles(client, id, signal);
  const copied = await copyPath({ from: source, to: destination, signal, open });
  if (settings.json) terminal.out(toJsonLine(copied));
  else terminal.err(formatCopy(copied));
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
