import { randomInt } from "node:crypto";
import { InterruptedError, interruptWork } from "./interrupts.ts";
import { createPrinter } from "./render/safe-text.ts";
import { createStyle, type Style } from "./render/style.ts";
import { watchOutput, writeText } from "./runner/output.ts";
import type { Environment } from "./settings/environment.ts";
import { isColourEnabled } from "./settings/settings.ts";

/**
 * Connects a command to its output streams, and reports whether a user reads them and can answer.
 */
export interface Terminal {
  /** Writes the requested output, which may be piped on. */
  out(text: string): void;
  /** Writes all other messages. */
  err(text: string): void;
  readonly style: Style;
  readonly errStyle: Style;
  /** Reports whether a user can answer questions. */
  readonly isInteractive: boolean;
  readonly isTty: boolean;
}

/** Holds the streams of a process; each may be connected to a user. */
export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Creates a terminal that receives no control sequences except this process's own styles. */
export function createTerminal(environment: Environment, { stdin, stdout, stderr }: Streams): Terminal {
  watchOutput(stdout, (error) => endWork(error, stderr));
  // Unread messages are no reason to stop: the exit code still reports the result.
  watchOutput(stderr, () => undefined);
  const isTty = stdout.isTTY === true;
  // A closed terminal fails its reads; the accompanying hang-up ends the work.
  if (isTty) stdin.on("error", () => undefined);
  const mark = String(randomInt(1e9, 1e10));
  const print = createPrinter(mark);
  return {
    out: (text) => writeText(stdout, print(text)),
    err: (text) => writeText(stderr, print(text)),
    style: createStyle(isColourEnabled(environment, isTty), mark),
    errStyle: createStyle(isColourEnabled(environment, stderr.isTTY === true), mark),
    isInteractive: isTty && stdin.isTTY === true,
    isTty,
  };
}

/**
 * Ends like other programs that lost their output: as if by the matching signal (`wharf task logs …
 * | head`).
 */
function endWork(error: NodeJS.ErrnoException, stderr: NodeJS.WriteStream): void {
  if (error.code === "EPIPE") return interruptWork(new InterruptedError("SIGPIPE"));
  if (error.code === "EIO") return interruptWork(new InterruptedError("SIGHUP"));
  writeText(stderr, `✗ The output cannot be written: ${error.message}\n`);
  interruptWork(new InterruptedError("SIGPIPE", 2));
}
