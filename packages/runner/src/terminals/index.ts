/**
 * Terminals: programs on a PTY, with a history that any number of viewers read from any offset, also after a restart of
 * the daemon. The console is the history of all commands that were run without one.
 */
export { Terminals } from "./terminals.ts";
export type { TerminalsOptions } from "./terminals.ts";
export type { Viewer } from "./viewer.ts";
export { encoders, type Encoder } from "./encoder.ts";
