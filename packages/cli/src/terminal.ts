import { randomInt } from "node:crypto";
import { InterruptedError, interruptWork } from "./interrupts.ts";
import { createPrinter } from "./render/safe-text.ts";
import { createStyle, type Style } from "./render/style.ts";
import { watchOutput, writeText } from "./runner/output.ts";
import { type Environment, isColourEnabled } from "./settings.ts";

/** Where a command writes, and whether a person reads it and can answer. */
export interface Terminal {
  /** What was asked for: it may be piped on. */
  out(text: string): void;
  /** All else. */
  err(text: string): void;
  readonly style: Style;
  readonly errStyle: Style;
  /** Someone who can be asked. */
  readonly isInteractive: boolean;
  readonly isTty: boolean;
}

/** The streams of a process, of which a person may be behind each. */
export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** A terminal to which nothing is written that could command it but this process's own styles. */
export function createTerminal(environment: Environment, { stdin, stdout, stderr }: Streams): Terminal {
  watchOutput(stdout, (error) => endWork(error, stderr));
  // Messages that nobody reads are no reason to end: the exit code still says how it went.
  watchOutput(stderr, () => undefined);
  const isTty = stdout.isTTY === true;
  // A terminal that is closed fails its readers; the hang-up that comes with it ends the work.
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

/** Ends as other programs do that can write no more: as if by the signal for it (`wharf task logs … | head`). */
function endWork(error: NodeJS.ErrnoException, stderr: NodeJS.WriteStream): void {
  if (error.code === "EPIPE") return interruptWork(new InterruptedError("SIGPIPE"));
  if (error.code === "EIO") return interruptWork(new InterruptedError("SIGHUP"));
  writeText(stderr, `✗ The output cannot be written: ${error.message}\n`);
  interruptWork(new InterruptedError("SIGPIPE", 2));
}
