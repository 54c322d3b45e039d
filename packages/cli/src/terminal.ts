import { Interrupted, interruptWork } from "./interrupts.ts";
import { createStyle, type Style } from "./render/style.ts";
import { watchOutput, writeText } from "./runner/output.ts";
import { type Environment, wantsColour } from "./settings.ts";

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

export function processTerminal(environment: Environment): Terminal {
  watchOutput(process.stdout, endWork);
  // Messages that nobody reads are no reason to end: the exit code still says how it went.
  watchOutput(process.stderr, () => undefined);
  const isTty = process.stdout.isTTY === true;
  // A terminal that is closed fails its readers; the hang-up that comes with it ends the work.
  if (isTty) process.stdin.on("error", () => undefined);
  return {
    out: (text) => writeText(process.stdout, text),
    err: (text) => writeText(process.stderr, text),
    style: createStyle(wantsColour(environment, isTty)),
    errStyle: createStyle(wantsColour(environment, process.stderr.isTTY === true)),
    isInteractive: isTty && process.stdin.isTTY === true,
    isTty,
  };
}

/** Ends as other programs do that can write no more: as if by the signal for it (`wharf task logs … | head`). */
function endWork(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return interruptWork(new Interrupted("SIGPIPE"));
  if (error.code === "EIO") return interruptWork(new Interrupted("SIGHUP"));
  writeText(process.stderr, `✗ The output cannot be written: ${error.message}\n`);
  interruptWork(new Interrupted("SIGPIPE", 2));
}
