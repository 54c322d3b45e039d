import { version } from "@wharf/contract";
import { Command } from "commander";
import { type Host, createRegistrar } from "./cli.ts";
import { addAgentTypes } from "./commands/agent-types.ts";
import { addCompletion } from "./commands/completion.ts";
import { addConfig } from "./commands/config.ts";
import { addDemo } from "./commands/demo.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addDown } from "./commands/down.ts";
import { addRun } from "./commands/run.ts";
import { addRunner } from "./commands/runner.ts";
import { addTask } from "./commands/task.ts";
import { addUp } from "./commands/up.ts";
import { exitCodeHelp } from "./exit-codes.ts";

const about = `Runs coding agents on your tasks, each in a sandbox of its own, and brings back a branch.

Environment: WHARF_DATA (data folder), WHARF_URL and WHARF_TOKEN (a server elsewhere), WHARF_PROFILE and WHARF_CONFIG.`;

interface ProgramHooks {
  /** Receives the exit code of a command. */
  readonly onExit: (exitCode: number) => void;
  /** Receives the help of an incomplete command. */
  readonly showHelp: (text: string) => void;
}

export function createProgram(host: Host, { onExit, showHelp }: ProgramHooks): Command {
  const program = new Command("wharf")
    .description(about)
    .version(version)
    .option("--json", "print for programs")
    .option("--wide", "do not shorten tables to the terminal's width")
    .option("--url <address>", "the server to use instead of the one of the data folder")
    .option("--profile <name>", "the server of this name in the settings file (`wharf config show`)")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => host.terminal.out(text),
      writeErr: showHelp,
      // The error that commander throws has the same text.
      outputError: () => undefined,
    })
    .addHelpText("after", exitCodeHelp)
    .exitOverride();
  const register = createRegistrar(host, onExit);
  addUp(program, register);
  addDown(program, register);
  addRun(program, register);
  addTask(program, register);
  addRunner(program, register);
  addAgentTypes(program, register);
  addConfig(program, register);
  addCompletion(program, register);
  addDoctor(program, register);
  addDemo(program, register);
  return program;
}
