import type { Argument, Command, Option } from "commander";

/** What stands for a value in the tables besides words: see `engine.ts`. */
const anything = "@any";
const idKinds: Readonly<Record<string, string>> = { task: "@task", runner: "@runner", runners: "@runner" };

/** The tables of the completion scripts, as functions of a POSIX shell: what may stand where, by the path of a command. */
export function createTables(program: Command): string {
  const all = listAll(program, "");
  const global = program.options;
  const optionsOf = (command: Command) => [...new Set([...command.options, ...global])].filter(({ hidden }) => !hidden);
  const rows = (rowsOf: (path: string, command: Command) => Row[]) =>
    all.flatMap(([path, command]) => rowsOf(path, command));
  const children = rows((path, { commands }) =>
    commands.map((child) => [childPatterns(path, child), join(path, child)]),
  );
  const names = rows((path, { commands }) => [[quoted(path), commands.map((child) => child.name()).join(" ")]]);
  const options = rows((path, command) => [
    [quoted(path), [...optionsOf(command).flatMap(flagsOf), "--help"].join(" ")],
  ]);
  const values = rows((path, command) =>
    optionsOf(command)
      .filter(({ required }) => required)
      .map((option) => [optionPatterns(path, option), optionValue(option)]),
  );
  const words = rows((path, { registeredArguments }) =>
    registeredArguments.map((argument, i) => [argumentPattern(path, argument, i), argumentValue(argument, path)]),
  );
  return [
    shellFunction("_wharf_command", '"$1/$2"', children),
    shellFunction("_wharf_names", '"$1"', names),
    shellFunction("_wharf_options", '"$1"', options),
    shellFunction("_wharf_value", '"$1 $2"', values),
    shellFunction("_wharf_argument", '"$1 $2"', words),
  ].join("\n");
}

/** One line of a shell's `case`: what it matches, and the words it prints. */
type Row = readonly [pattern: string, words: string];

const optionPatterns = (path: string, option: Option): string =>
  flagsOf(option)
    .map((flag) => quoted(`${path} ${flag}`))
    .join("|");

/** All further words are ids too where a command takes several. */
const argumentPattern = (path: string, argument: Argument, i: number): string =>
  argument.variadic && argument.name() !== "command" ? `${quoted(path)}' '*` : quoted(`${path} ${i}`);

const join = (path: string, child: Command): string => (path === "" ? child.name() : `${path} ${child.name()}`);

const listAll = (command: Command, path: string): [string, Command][] => [
  [path, command],
  ...command.commands.flatMap((child) => listAll(child, join(path, child))),
];

const childPatterns = (path: string, child: Command): string =>
  [child.name(), ...child.aliases()].map((name) => quoted(`${path}/${name}`)).join("|");

const flagsOf = ({ long, short }: Option): string[] =>
  [long, short].filter((flag) => flag !== undefined && flag !== null);

function optionValue({ argChoices, flags, long }: Option): string {
  if (argChoices) return argChoices.join(" ");
  if (long === "--agent") return "@agent";
  return /<(?:file|path)\b[^=>]*>/.test(flags) ? "@file" : anything;
}

function argumentValue(argument: Argument, path: string): string {
  const name = argument.name();
  if (argument.argChoices) return argument.argChoices.join(" ");
  if (name === "command") return "@words";
  if (path === "runner cp") return "@file";
  if (name === "name" && path !== "agent-types add") return "@agent";
  return idKinds[name] ?? anything;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function shellFunction(name: string, key: string, cases: readonly Row[]): string {
  const lines = cases
    .filter(([, words]) => words !== "")
    .map(([pattern, words]) => `    ${pattern}) echo ${quoted(words)} ;;`);
  return [`${name}() {`, `  case ${key} in`, ...lines, "  esac", "}"].join("\n");
}
