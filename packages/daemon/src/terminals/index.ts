/**
 * Terminals are programs on a PTY with a history that any number of viewers read from any offset,
 * even after a restart of the daemon. The console is the history of all commands that run without a
 * terminal.
 */
export { Terminals } from "./terminals.ts";
export type { TerminalsOptions } from "./terminals.ts";
export type { Viewer } from "./viewer.ts";
export { encoders, type Encoder } from "./encoder.ts";
