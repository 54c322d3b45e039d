import { CommanderError } from "commander";
import { type Host, jsonLine } from "./cli.ts";
import { Exit, problemOf } from "./failure.ts";
import { Interrupted } from "./interrupts.ts";
import { createProgram } from "./program.ts";
import { problemText } from "./render/problem.ts";
import { exitCodes } from "./turn/outcome.ts";

/** Carries out one command line and answers the code to exit with. Every error is told on stderr with a next step. */
export async function wharf(args: readonly string[], host: Host): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = createProgram(host, (code) => (exitCode = code));
  try {
    if (args.length === 0) program.help();
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (thrown) {
    // Commander has said what it had to; its own code for a mistake is 1, which here means that an agent failed.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.wharfFailed;
    if (thrown instanceof Exit || thrown instanceof Interrupted) return thrown.exitCode;
    const problem = problemOf(thrown);
    host.terminal.err(program.opts().json === true ? jsonLine(problem) : problemText(problem, host.terminal.errStyle));
    return exitCodes.wharfFailed;
  }
}
