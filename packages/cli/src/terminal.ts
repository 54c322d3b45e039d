import { createStyle, type Style } from "./render/style.ts";
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
  for (const stream of [process.stdout, process.stderr]) stream.on("error", leaveQuietly);
  const isTty = process.stdout.isTTY === true;
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    style: createStyle(wantsColour(environment, isTty)),
    errStyle: createStyle(wantsColour(environment, process.stderr.isTTY === true)),
    isInteractive: isTty && process.stdin.isTTY === true,
    isTty,
  };
}

/** Whoever reads has had enough (`wharf task logs … | head`). */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
}
