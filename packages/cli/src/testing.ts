import { join } from "node:path";
import { Readable } from "node:stream";
import type { Command } from "commander";
import type { Host } from "./cli.ts";
import { createProgram } from "./program.ts";
import { createStyle } from "./render/style.ts";
import { runWharf } from "./wharf.ts";

interface Around {
  /** Where it is typed; no server uses the data folder, which is in it. */
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: Readable;
}

const style = createStyle(false);

const discard = () => undefined;

export function createHost(
  { folder, environment = {}, stdin = Readable.from([]) }: Around,
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

/** A command line in this process, with what it writes. */
export async function runCommandLine(line: readonly string[], around: Around) {
  let out = "";
  let err = "";
  const host = createHost(
    around,
    (text) => void (out += text),
    (text) => void (err += text),
  );
  const code = await runWharf(line, host);
  return { code, out, err };
}

/** The whole tree of commands. */
export function createCommandTree(): Command {
  return createProgram(createHost({ folder: "/" }), { onExit: discard, showHelp: discard });
}

/** Every command that does something, with the words that lead to it. */
export function listCommands(
  command: Command = createCommandTree(),
  path: readonly string[] = [],
): [string, Command][] {
  const own: [string, Command][] = path.length > 0 ? [[path.join(" "), command]] : [];
  return [...own, ...command.commands.flatMap((child) => listCommands(child, [...path, child.name()]))];
}
