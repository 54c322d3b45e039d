/**
 * Commands of a person or a script, run in the workspace: in the foreground for a caller who reads their output, or in
 * the background with their output kept and followed by anyone.
 */
export { Commands } from "./commands.ts";
export type { CommandConsole, CommandsOptions } from "./commands.ts";
export { getBaseEnvironment } from "./environment.ts";
export { getStartTicks } from "./command-record.ts";
export { runCommand } from "./run-command.ts";
