import { randomUUID } from "node:crypto";
import { type Problem, RemoteError, toWharfError, WharfError } from "@wharf/contract";

/** Ends a command with a code; all output has been written. */
export class Exit extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.name = "Exit";
    this.exitCode = exitCode;
  }
}

/** Creates an error for a command line that cannot be understood or executed. */
export const createUsageError = (reason: string): WharfError => new WharfError("usage_invalid", { reason });

/** Converts any thrown value into a problem with a next step. */
export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof WharfError || thrown instanceof RemoteError) return thrown.toProblem();
  const error = toWharfError(thrown, randomUUID());
  const problem = error.toProblem();
  if (error.code !== "internal") return problem;
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return {
    ...problem,
    detail: message,
    next: "This is a bug in Wharf. Run the command again; if it fails again, report this message.",
  };
}
