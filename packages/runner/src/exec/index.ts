/**
 * Commands of a person or a script, run in the workspace: in the foreground for a caller who reads their output, or in
 * the background with their output kept and followed by anyone.
 */
export { Commands } from "./commands.ts";
export type { CommandConsole, CommandsOptions } from "./commands.ts";
export { baseEnvironment } from "./environment.ts";
export { startTicks } from "./record.ts";
export { run } from "./run.ts";
