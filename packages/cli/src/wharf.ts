import { type Command, CommanderError } from "commander";
import { type Host, jsonLine } from "./cli.ts";
import { Exit, problemOf, usageError } from "./failure.ts";
import { Interrupted } from "./interrupts.ts";
import { createProgram } from "./program.ts";
import { findCommand, separateProgramWords } from "./program-words.ts";
import { problemText } from "./render/problem.ts";
import { exitCodes } from "./turn/outcome.ts";

/** Carries out one command line and answers the code to exit with. Every error is told on stderr with a next step. */
export async function wharf(args: readonly string[], host: Host): Promise<number> {
  let exitCode: number = exitCodes.done;
  let help = "";
  const program = createProgram(host, { done: (code) => (exitCode = code), showHelp: (text) => (help += text) });
  const words = separateProgramWords(program, args);
  try {
    if (args.length === 0) program.help();
    await program.parseAsync(words, { from: "user" });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof Exit || thrown instanceof Interrupted) return thrown.exitCode;
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.done;
    // Commander stops at the first mistake, which may come before `--json`.
    const isJson = program.opts().json === true || ownWords(words).includes("--json");
    if (help !== "" && !isJson) host.terminal.err(help);
    else {
      const problem = problemOf(thrown instanceof CommanderError ? commandLineError(thrown, program, words) : thrown);
      host.terminal.err(isJson ? jsonLine(problem) : problemText(problem, host.terminal.errStyle));
    }
    return exitCodes.wharfFailed;
  }
}

/** The words of the command line without those of another program. */
function ownWords(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return end === -1 ? words : words.slice(0, end);
}

/** A command line that commander refused, as an error of Wharf's. */
function commandLineError({ code, message }: CommanderError, program: Command, words: readonly string[]): Error {
  if (code !== "commander.help")
    return usageError(
      message
        .replace(/^error: /, "")
        .replaceAll(/\s+/g, " ")
        .trim(),
    );
  const group = words.reduce((command, word) => findCommand(command, word) ?? command, program);
  const names = group.commands.map((command) => command.name()).join(", ");
  return usageError(`name a command of \`${[...pathOf(group), "…"].join(" ")}\`: ${names}`);
}

const pathOf = (command: Command): string[] => [...(command.parent ? pathOf(command.parent) : []), command.name()];
