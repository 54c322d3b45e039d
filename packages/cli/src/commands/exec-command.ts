import type { Argument, Command } from "commander";
import { z } from "zod";
import { type Cli, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { createDecimalSchema, createListOption, variables } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { CommandInterrupts } from "../runner/command-interrupts.ts";
import { getExitCode, runCommand, toShellLine } from "../runner/exec.ts";
import { flushOutput, writeBytes } from "../runner/output.ts";
import type { RemoteCommands } from "../runner/remote-commands.ts";

export const maxTimeoutSeconds = 86_400;
const maxCommandLength = 1_000_000; // characters

export const ExecOptions = z.object({
  interactive: z.boolean().default(false),
  workdir: z.string().max(4096),
  timeout: createDecimalSchema({ min: 0.001, max: maxTimeoutSeconds }),
  env: variables,
  shell: z.string().min(1).max(4096),
  file: z.string().optional(),
});
export type ExecOptions = z.infer<typeof ExecOptions>;

/** Creates the command `exec` of runners or of workspaces. */
export function createExecCommand(group: Command, place: "runner" | "workspace", argument: Argument): Command {
  const exec = group
    .command("exec")
    .alias("execute")
    .alias("execute-command")
    .summary(`Run a command in a ${place}`)
    .description(`Run a command in a ${place} and exit with its exit code, or with 124 if it takes too long`)
    .addArgument(argument)
    .argument("[command...]", "program and its arguments, or one line for the shell")
    .option("-w, --workdir <folder>", "folder to run in, relative to the workspace", ".")
    .option("-i, --interactive", "pass stdin to the command (otherwise its stdin is empty)")
    .option("-t, --timeout <seconds>", "time limit of the command; at most one day", String(maxTimeoutSeconds))
    .addOption(createListOption("-e, --env <name=value>", "environment variable of the command"))
    .option("--shell <program>", "shell that runs the command", "bash")
    .option("-f, --file <path>", "read the command from a local file");
  const lines = [`wharf ${place} exec 1f2e3d4c npm test`, `wharf ${place} exec 1f2e3d4c -t 60 'cd src && ls -l'`];
  return addExamples(exec, lines);
}

interface ExecCall {
  readonly words: readonly string[];
  readonly options: ExecOptions;
  /** Finds the place where the command runs, once its text is known. */
  readonly open: () => RemoteCommands | Promise<RemoteCommands>;
}

/** Runs a command, shows its output and returns its exit code. */
export async function showExec(cli: Cli, { words, options, open }: ExecCall): Promise<number> {
  const { settings, terminal } = cli;
  if ((options.file === undefined) === (words.length === 0))
    throw createUsageError("give either a command or a file with --file <path>");
  const script = await readPromptText(cli, { text: undefined, file: options.file, max: maxCommandLength });
  const command = script ?? toShellLine(words);
  using interrupts = new CommandInterrupts();
  const input = {
    command,
    shell: options.shell,
    working_dir: options.workdir,
    environment: options.env,
    timeout_s: options.timeout,
  };
  const exit = await runCommand(await open(), input, {
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
