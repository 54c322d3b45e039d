import { Argument, type Command } from "commander";

/** Adds command lines to a command's help. Every command has at least one. */
export const addExamples = (command: Command, lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`);

export const createTaskArgument = (): Argument =>
  new Argument("<task>", "id of the task, or its first 8 or more characters");

export const createRunnerArgument = (): Argument =>
  new Argument("<runner>", "id of the runner, or its first 8 or more characters");

export const createWorkspaceArgument = (): Argument =>
  new Argument("<workspace>", "id of a task or a runner, or its first 8 or more characters");
export const createUserArgument = (): Argument => new Argument("<user>", "name of the user, or their id");

export const createBoardArgument = (): Argument =>
  new Argument("<board>", "name of the board, its id, or the first 8 or more characters of the id");
