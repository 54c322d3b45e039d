import { type Command, CommanderError } from "commander";
import { type Host, toJsonLine } from "./cli.ts";
import { Exit, toProblem, createUsageError } from "./failure.ts";
import { getCommand, separateProgramWords } from "./input/program-words.ts";
import { InterruptedError } from "./interrupts.ts";
import { createProgram } from "./program.ts";
import { formatProblem } from "./render/problem.ts";
import { exitCodes } from "./turn/outcome.ts";

/**
 * Executes one command line and resolves to its exit code. Every error is printed on stderr with a
 * next step.
 */
export async function runWharf(args: readonly string[], host: Host): Promise<number> {
  let exitCode: number = exitCodes.done;
  let help = "";
  const program = createProgram(host, { onExit: (code) => (exitCode = code), showHelp: (text) => (help += text) });
  const words = separateProgramWords(program, args);
  try {
    if (args.length === 0) program.help();
    await program.parseAsync(words, { from: "user" });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof Exit || thrown instanceof InterruptedError) return thrown.exitCode;
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.done;
    // Commander stops at the first mistake, which may come before `--json`.
    const isJson = program.opts().json === true || getOwnWords(words).includes("--json");
    if (help !== "" && !isJson) host.terminal.err(help);
    else {
      const problem = toProblem(thrown instanceof CommanderError ? toUsageError(thrown, program, words) : thrown);
      host.terminal.err(isJson ? toJsonLine(problem) : formatProblem(problem, host.terminal.errStyle));
    }
    return exitCodes.wharfFailed;
  }
}

/** Returns the words of the command line without those of another program. */
function getOwnWords(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return end === -1 ? words : words.slice(0, end);
}

/** Converts commander's error into one of Wharf's. */
function toUsageError({ code, message }: CommanderError, program: Command, words: readonly string[]): Error {
  if (code !== "commander.help")
    return createUsageError(
      message
        .replace(/^error: /, "")
        .replaceAll(/\s+/g, " ")
        .trim(),
    );
  const group = words.reduce((command, word) => getCommand(command, word) ?? command, program);
  const names = group.commands.map((command) => command.name()).join(", ");
  return createUsageError(`name a command of \`${[...getCommandPath(group), "…"].join(" ")}\`: ${names}`);
}

const getCommandPath = (command: Command): string[] => [
  ...(command.parent ? getCommandPath(command.parent) : []),
  command.name(),
];
