import { join } from "node:path";
import { Readable } from "node:stream";
import type { Command } from "commander";
import type { Host } from "./cli.ts";
import { createProgram } from "./program.ts";
import { createStyle } from "./render/style.ts";
import { runWharf } from "./wharf.ts";

interface TestCommandOptions {
  /** The command runs in this folder, which also holds a data folder without a server. */
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: Readable;
}

const style = createStyle(false);

const discard = () => undefined;

export function createHost(
  { folder, environment = {}, stdin = Readable.from([]) }: TestCommandOptions,
  out: (text: string) => void = discard,
  err = out,
): Host {
  const terminal = { out, err, style, errStyle: style, isInteractive: false, isTty: false };
  return {
    environment: { PATH: process.env.PATH, HOME: folder, WHARF_DATA: join(folder, "none"), ...environment },
    terminal,
    stdin,
    folder,
  };
}

/** Runs a command line in this process and returns its output. */
export async function runCommandLine(line: readonly string[], options: TestCommandOptions) {
  let out = "";
  let err = "";
  const host = createHost(
    options,
    (text) => void (out += text),
    (text) => void (err += text),
  );
  const code = await runWharf(line, host);
  return { code, out, err };
}

/** Creates the whole tree of commands. */
export function createCommandTree(): Command {
  return createProgram(createHost({ folder: "/" }), { onExit: discard, showHelp: discard });
}

/** Lists every executable command, with the words that select it. */
export function listCommands(
  command: Command = createCommandTree(),
  path: readonly string[] = [],
): [string, Command][] {
  const ownCommand: [string, Command][] = path.length > 0 ? [[path.join(" "), command]] : [];
  return [...ownCommand, ...command.commands.flatMap((child) => listCommands(child, [...path, child.name()]))];
}

/** Formats the whole help of a command, as `--help` prints it on a terminal of this width. */
export function formatHelp(command: Command, width: number): string {
  let text = "";
  command.configureOutput({ writeOut: (piece) => void (text += piece), getOutHelpWidth: () => width }).outputHelp();
  return text;
}

/** Removes the options that all commands share from a subcommand's help. */
export const removeGlobalOptions = (help: string): string => help.replace(/\nGlobal Options:\n(?: .*\n)+/, "");
