import type { Command } from "commander";
import type { RegisterCommand } from "../../cli.ts";
import { addExamples } from "../../help/examples.ts";
import { addContentCommands } from "./content.ts";
import { addGitCommands } from "./git.ts";
import { addJobCommands } from "./jobs.ts";
import { addListingCommands } from "./listing.ts";
import { addPathCommands } from "./paths.ts";
import { addPortCommands } from "./ports.ts";
import { addProgramCommands } from "./programs.ts";
import { addSearchCommands } from "./search.ts";
import { addTerminalCommands } from "./terminals.ts";

export function addWorkspace(program: Command, register: RegisterCommand): void {
  const group = program
    .command("workspace")
    .alias("ws")
    .summary("Use the files and git of a task or a runner")
    .description("Use the workspace of a task or a runner while its agent works: its files, git and commands");
  addExamples(group, ["wharf workspace ls 1f2e3d4c", "wharf workspace diff 1f2e3d4c --since-start"]);
  addListingCommands(group, register);
  addContentCommands(group, register);
  addPathCommands(group, register);
  addSearchCommands(group, register);
  addGitCommands(group, register);
  addProgramCommands(group, register);
  addJobCommands(group, register);
  addTerminalCommands(group, register);
  addPortCommands(group, register);
}
