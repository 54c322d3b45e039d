/**
 * This folder runs a person's or a script's commands in the workspace: in the foreground for a
 * caller who reads their output, or in the background with their output kept for any follower.
 */
export { Commands } from "./commands.ts";
export type { CommandConsole, CommandsOptions } from "./commands.ts";
export { getBaseEnvironment } from "./environment.ts";
export { runCommand } from "./run-command.ts";
