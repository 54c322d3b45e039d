import type { Readable } from "node:stream";
import type { Command } from "commander";
import { z } from "zod";
import { checkArguments, parseOptions } from "./input/option-values.ts";
import { escapeControls } from "./render/safe-text.ts";
import type { TableStyle } from "./render/table.ts";
import type { Client } from "./server/client.ts";
import { createClient } from "./server/login-token.ts";
import type { Environment } from "./settings/environment.ts";
import { type GlobalOptions, getLocalSettings, getSettings, type Settings } from "./settings/settings.ts";
import type { Terminal } from "./terminal.ts";

/** Holds the surroundings of a command line. */
export interface Host {
  readonly environment: Environment;
  readonly terminal: Terminal;
  readonly stdin: Readable;
  readonly folder: string;
}

/** Every command receives this context. */
export interface Cli extends Host {
  readonly settings: Settings;
  /** Holds the global options of the command line. */
  readonly options: GlobalOptions;
  /** Sets the appearance of tables on this terminal. */
  readonly look: TableStyle;
  /** Talks to the running server; no request is sent before the first use. */
  readonly client: Client;
}

export interface CommandLineInput<O> {
  readonly args: readonly string[];
  readonly options: O;
}

export type RegisterCommand = <S extends z.ZodType>(
  command: Command,
  options: S,
  run: (cli: Cli, input: CommandLineInput<z.output<S>>) => Promise<number | void>,
  /** Marks a command that works on this machine alone, no matter which server is named. */
  scope?: { readonly isLocal: true },
) => void;

const Globals = z.object({
  json: z.boolean().optional(),
  url: z.string().optional(),
  profile: z.string().optional(),
  org: z.string().optional(),
  wide: z.boolean().default(false),
});

/** Registers the actions of commands: `onExit` receives the exit code of each command. */
export function createRegistrar(host: Host, onExit: (exitCode: number) => void): RegisterCommand {
  return (command, schema, run, scope) => {
    command.action(async () => {
      checkArguments(command);
      const input = { args: command.args, options: parseOptions(command, schema) };
      const options = Globals.parse(command.optsWithGlobals());
      const read = scope?.isLocal ? getLocalSettings : getSettings;
      const settings = await read(host.environment, options);
      const look = { style: host.terminal.style, width: options.wide ? undefined : getTableWidth(host) };
      const cli: Cli = { ...host, settings, options, look, client: createClient(settings) };
      onExit((await run(cli, input)) ?? 0);
    });
  };
}

/**
 * Returns the columns of a person's terminal, or undefined if the output goes to a file or a
 * program.
 */
function getTableWidth({ terminal, environment }: Host): number | undefined {
  if (!terminal.isTty) return undefined;
  const columns = Number(environment.COLUMNS);
  return Number.isSafeInteger(columns) && columns > 0 ? columns : process.stdout.columns;
}

/** Formats one line for programs. */
export const toJsonLine = (value: unknown): string => `${escapeControls(JSON.stringify(value))}\n`;
