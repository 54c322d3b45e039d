import type { Argument, Command } from "commander";
import { z } from "zod";
import type { Cli } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { attachToTerminal, type TerminalAddress } from "../runner/attach.ts";
import { getExitCode, toShellLine } from "../runner/exec.ts";

export const AttachOptions = z.object({
  terminal: z.uuid().optional(),
  shell: z.string().min(1).max(4096),
  workdir: z.string().max(4096),
});
export type AttachOptions = z.infer<typeof AttachOptions>;

/** Creates the command that opens a terminal in a runner or a workspace. */
export function createAttachCommand(group: Command, place: "runner" | "workspace", argument: Argument): Command {
  const attach = group
    .command("attach")
    .summary(`Open a terminal in a ${place}`)
    .description(
      `Open a terminal in a ${place}. Ctrl-P Ctrl-Q detaches from it and leaves its program running. Several people can attach to one terminal: one types at a time, and Ctrl-P Ctrl-T takes over.`,
    )
    .addArgument(argument)
    .argument("[command...]", "command to run in a new terminal (default: a shell)")
    .option("--terminal <id>", "attach to an existing terminal")
    .option("--shell <program>", "shell of a new terminal", "bash")
    .option("-w, --workdir <folder>", "folder of a new terminal, relative to the workspace", ".");
  return addExamples(attach, [`wharf ${place} attach 1f2e3d4c`, `wharf ${place} attach 1f2e3d4c htop`]);
}

interface TerminalUse {
  readonly words: readonly string[];
  readonly options: AttachOptions;
  readonly socket: TerminalAddress;
  /** The command line that attaches again. */
  readonly name: string;
}

/** Attaches to a terminal, and returns the exit code of its program. */
export async function showTerminal(
  { client, terminal }: Cli,
  { words, options, socket, name }: TerminalUse,
): Promise<number> {
  const result = await attachToTerminal({
    locate: client.locate,
    socket,
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
  terminal.err(`\r\nDetached${why}. Attach again with \`wharf ${name} --terminal ${result.terminal_id}\`.\n`);
  return result.exitCode;
}
