import type { Argument, Command, Option } from "commander";

/** The tables use this marker for a value that is not a word: see `scripts.ts`. */
const anything = "@any";
const idKinds: Readonly<Record<string, string>> = {
  task: "@task",
  runner: "@runner",
  runners: "@runner",
  workspace: "@workspace",
  board: "@board",
  user: "@user",
  token: "@token",
};

/**
 * Creates the tables of the completion scripts as functions of a POSIX shell: the possible words at
 * each position, by the path of a command.
 */
export function createTables(program: Command): string {
  const all = getCommands(program, "");
  const global = program.options;
  const getOptions = (command: Command) =>
    [...new Set([...command.options, ...global])].filter(({ hidden }) => !hidden);
  const createRows = (getRows: (path: string, command: Command) => Row[]) =>
    all.flatMap(([path, command]) => getRows(path, command));
  const children = createRows((path, { commands }) =>
    commands.map((child) => [getChildPatterns(path, child), getChildPath(path, child)]),
  );
  const names = createRows((path, { commands }) => [
    [toShellString(path), commands.map((child) => child.name()).join(" ")],
  ]);
  const options = createRows((path, command) => [
    [toShellString(path), [...getOptions(command).flatMap(getFlags), "--help"].join(" ")],
  ]);
  const values = createRows((path, command) =>
    getOptions(command)
      .filter(({ required }) => required)
      .map((option) => [getOptionPatterns(path, option), getOptionValue(option)]),
  );
  const words = createRows((path, { registeredArguments }) =>
    registeredArguments.map((argument, i) => [getArgumentPattern(path, argument, i), getArgumentValue(argument, path)]),
  );
  return [
    createShellFunction("_wharf_command", '"$1/$2"', children),
    createShellFunction("_wharf_names", '"$1"', names),
    createShellFunction("_wharf_options", '"$1"', options),
    createShellFunction("_wharf_value", '"$1 $2"', values),
    createShellFunction("_wharf_argument", '"$1 $2"', words),
  ].join("\n");
}

/** Each row is one line of a shell's `case`: its pattern, and the words it prints. */
type Row = readonly [pattern: string, words: string];

const getOptionPatterns = (path: string, option: Option): string =>
  getFlags(option)
    .map((flag) => toShellString(`${path} ${flag}`))
    .join("|");

/** For a command that takes several ids, all further words are ids too. */
const getArgumentPattern = (path: string, argument: Argument, i: number): string =>
  argument.variadic && argument.name() !== "command" ? `${toShellString(path)}' '*` : toShellString(`${path} ${i}`);

const getChildPath = (path: string, child: Command): string => (path === "" ? child.name() : `${path} ${child.name()}`);

const getCommands = (command: Command, path: string): [string, Command][] => [
  [path, command],
  ...command.commands.flatMap((child) => getCommands(child, getChildPath(path, child))),
];

const getChildPatterns = (path: string, child: Command): string =>
  [child.name(), ...child.aliases()].map((name) => toShellString(`${path}/${name}`)).join("|");

const getFlags = ({ long, short }: Option): string[] =>
  [long, short].filter((flag) => flag !== undefined && flag !== null);

function getOptionValue({ argChoices, flags, long }: Option): string {
  if (argChoices) return argChoices.join(" ");
  if (long === "--agent") return "@agent";
  if (long === "--board") return "@board";
  if (flags.includes("<username>")) return "@user";
  return /<(?:file|path)\b[^=>]*>/.test(flags) ? "@file" : anything;
}

function getArgumentValue(argument: Argument, path: string): string {
  const name = argument.name();
  if (argument.argChoices) return argument.argChoices.join(" ");
  if (name === "command") return "@words";
  if (path === "runner cp" || path === "workspace cp") return "@file";
  if (name === "name" && path.startsWith("agent-types ") && path !== "agent-types add") return "@agent";
  return idKinds[name] ?? anything;
}

const toShellString = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function createShellFunction(name: string, key: string, cases: readonly Row[]): string {
  const lines = cases
    .filter(([, words]) => words !== "")
    .map(([pattern, words]) => `    ${pattern}) echo ${toShellString(words)} ;;`);
  return [`${name}() {`, `  case ${key} in`, ...lines, "  esac", "}"].join("\n");
}
