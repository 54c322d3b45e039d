import type { Argument, Command, Option } from "commander";

/**
 * Puts `--` before the words that belong to another program: `runner exec R node --version` becomes
 * `runner exec R -- node --version`. Commander would otherwise read that program's options as
 * Wharf's own.
 */
export function separateProgramWords(program: Command, args: readonly string[]): string[] {
  let command = program;
  let operands = 0;
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    if (word === "--") break;
    if (word.startsWith("-") && word !== "-") {
      if (hasValueWord(command, word)) i++;
      continue;
    }
    const child = operands === 0 ? getCommand(command, word) : undefined;
    if (child) command = child;
    else if (command.registeredArguments.findIndex(hasProgramWords) === operands)
      return [...args.slice(0, i), "--", ...args.slice(i)];
    else operands++;
  }
  return [...args];
}

const hasProgramWords = (argument: Argument): boolean => argument.variadic && argument.name() === "command";

export const getCommand = (parent: Command, word: string): Command | undefined =>
  parent.commands.find((command) => command.name() === word || command.aliases().includes(word));

/** Returns a command's options: its own, and those of its parent commands. */
function getOptions(command: Command | null): Option[] {
  return command ? [...command.options, ...getOptions(command.parent)] : [];
}

function hasValueWord(command: Command, word: string): boolean {
  const options = getOptions(command);
  if (word.startsWith("--")) return options.some(({ long, required }) => long === word && required);
  for (let i = 1; i < word.length; i++) {
    const option = options.find(({ short }) => short === `-${word[i]}`);
    if (option?.required) return i === word.length - 1;
  }
  return false;
}
