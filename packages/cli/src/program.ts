import { version } from "@wharf/contract";
import { Command, Help } from "commander";
import { type Host, createRegistrar } from "./cli.ts";
import { addAgentTypes } from "./commands/agent-types.ts";
import { addAgent } from "./commands/agent.ts";
import { addAllow } from "./commands/allow.ts";
import { addAudit } from "./commands/audit.ts";
import { addBoard } from "./commands/board.ts";
import { addBranches } from "./commands/branches.ts";
import { addBudget } from "./commands/budget.ts";
import { addCompletion } from "./commands/completion.ts";
import { addConfig } from "./commands/config.ts";
import { addDemo } from "./commands/demo.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addDown } from "./commands/down.ts";
import { addLimit } from "./commands/limit.ts";
import { addLoginMethods } from "./commands/login-methods.ts";
import { addLogin } from "./commands/login.ts";
import { addOrganization } from "./commands/organization.ts";
import { addQueue } from "./commands/queue.ts";
import { addRun } from "./commands/run.ts";
import { addRunner } from "./commands/runner.ts";
import { addSearch } from "./commands/search.ts";
import { addSession } from "./commands/session.ts";
import { addTask } from "./commands/task.ts";
import { addTemplate } from "./commands/template.ts";
import { addToken } from "./commands/token.ts";
import { addUp } from "./commands/up.ts";
import { addUsage } from "./commands/usage.ts";
import { addUser } from "./commands/user.ts";
import { addWatch } from "./commands/watch.ts";
import { addWhoami } from "./commands/whoami.ts";
import { addWorkspace } from "./commands/workspace/workspace.ts";
import { addExamples } from "./help/examples.ts";
import { exitCodeHelp } from "./help/exit-codes.ts";

const description = "Run coding agents on your tasks, each in an isolated sandbox, and get the result as a git branch.";

const environmentHelp = `
Environment variables:
  WHARF_DATA      data folder
  WHARF_URL       address of the server
  WHARF_TOKEN     token for the server
  WHARF_PROFILE   server profile in the settings file
  WHARF_ORGANIZATION
                  organization in which a command acts
  WHARF_CONFIG    path of the settings file`;

/** Formats help without aliases in usage lines; a command's own help lists its aliases. */
const standardHelp = new Help();
const helpFormat: Partial<Help> = {
  showGlobalOptions: true,
  minWidthToWrap: 30,
  commandUsage: (command) => standardHelp.commandUsage(command).replace(/\|\S+/, ""),
  subcommandTerm: (command) => standardHelp.subcommandTerm(command).replace(/\|\S+/, ""),
  commandDescription: (command) => {
    const aliases = command.aliases();
    return command.description() + (aliases.length > 0 ? `\n\nAliases: ${aliases.join(", ")}` : "");
  },
};

interface ProgramHooks {
  /** Receives the exit code of a command. */
  readonly onExit: (exitCode: number) => void;
  /** Receives the help of an incomplete command. */
  readonly showHelp: (text: string) => void;
}

export function createProgram(host: Host, { onExit, showHelp }: ProgramHooks): Command {
  const program = new Command("wharf")
    .description(description)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "Show help")
    .option("--json", "print JSON for programs")
    .option("--wide", "do not shorten tables to the width of the terminal")
    .option("--url <address>", "address of the server (default: the server of the data folder)")
    .option("--profile <name>", "server profile in the settings file")
    .option("--org <organization>", "organization in which the command acts, by short name or id")
    .configureHelp(helpFormat)
    .configureOutput({
      writeOut: (text) => host.terminal.out(text),
      writeErr: showHelp,
      // The error that commander throws has the same text.
      outputError: () => undefined,
    })
    .exitOverride();
  addExamples(program, ["wharf up", 'wharf run "Fix the failing test" --repo .', "wharf task ls"]);
  program.addHelpText("after", environmentHelp).addHelpText("after", exitCodeHelp);
  const register = createRegistrar(host, onExit);
  addUp(program, register);
  addDown(program, register);
  addRun(program, register);
  addTask(program, register);
  addTemplate(program, register);
  addSearch(program, register);
  addBranches(program, register);
  addRunner(program, register);
  addWorkspace(program, register);
  addAgent(program, register);
  addAgentTypes(program, register);
  addAllow(program, register);
  addUsage(program, register);
  addBudget(program, register);
  addQueue(program, register);
  addLimit(program, register);
  addAudit(program, register);
  addBoard(program, register);
  addWatch(program, register);
  addWhoami(program, register);
  addOrganization(program, register);
  addUser(program, register);
  addToken(program, register);
  addLogin(program, register);
  addSession(program, register);
  addLoginMethods(program, register);
  addConfig(program, register);
  addCompletion(program, register);
  addDoctor(program, register);
  addDemo(program, register);
  return program;
}
