import type { Readable } from "node:stream";
import type { Command } from "commander";
import { z } from "zod";
import { Client } from "./client.ts";
import { locator } from "./locate.ts";
import { checkArguments, parseOptions } from "./option-values.ts";
import { escapeControls } from "./render/clean.ts";
import type { Look } from "./render/table.ts";
import { type Environment, type GlobalOptions, readLocalSettings, readSettings, type Settings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";

/** What surrounds a command line. */
export interface Host {
  readonly environment: Environment;
  readonly terminal: Terminal;
  readonly stdin: Readable;
  readonly folder: string;
}

/** What every command works with. */
export interface Cli extends Host {
  readonly settings: Settings;
  /** What the command line says about settings. */
  readonly options: GlobalOptions;
  /** How tables look at this terminal. */
  readonly look: Look;
  /** Speaks to the server that is there; nothing is asked before it is used. */
  readonly client: Client;
}

export interface Input<O> {
  readonly args: readonly string[];
  readonly options: O;
}

export type Register = <S extends z.ZodType>(
  command: Command,
  options: S,
  run: (cli: Cli, input: Input<z.output<S>>) => Promise<number | void>,
  /** Whether the command works on this machine alone, whatever server is named. */
  scope?: { readonly isLocal: true },
) => void;

const Globals = z.object({
  json: z.boolean().optional(),
  url: z.string().optional(),
  profile: z.string().optional(),
  wide: z.boolean().default(false),
});

/** Gives commands their work: `done` is told the code that each ends with. */
export function registrar(host: Host, done: (exitCode: number) => void): Register {
  return (command, schema, run, scope) => {
    command.action(async () => {
      checkArguments(command);
      const input = { args: command.args, options: parseOptions(command, schema) };
      const options = Globals.parse(command.optsWithGlobals());
      const read = scope?.isLocal ? readLocalSettings : readSettings;
      const settings = await read(host.environment, options);
      const look = { style: host.terminal.style, width: options.wide ? undefined : widthOf(host) };
      const cli: Cli = { ...host, settings, options, look, client: new Client(locator(settings)) };
      done((await run(cli, input)) ?? 0);
    });
  };
}

/** The columns that a person sees: nothing where what is printed goes to a file or a program. */
function widthOf({ terminal, environment }: Host): number | undefined {
  if (!terminal.isTty) return undefined;
  const named = Number(environment.COLUMNS);
  return Number.isSafeInteger(named) && named > 0 ? named : process.stdout.columns;
}

/** One line for programs. */
export const jsonLine = (value: unknown): string => `${escapeControls(JSON.stringify(value))}\n`;
