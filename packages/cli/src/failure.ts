import { randomUUID } from "node:crypto";
import { type Problem, RemoteError, toWharfError, WharfError } from "@wharf/contract";

/** Ends a command with a code; what there was to say has been said. */
export class Exit extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.name = "Exit";
    this.exitCode = exitCode;
  }
}

/** A command line that cannot be understood or carried out. */
export const createUsageError = (reason: string): WharfError => new WharfError("usage_invalid", { reason });

/** What went wrong, with a next step, whatever was thrown. */
export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof WharfError || thrown instanceof RemoteError) return thrown.toProblem();
  const error = toWharfError(thrown, randomUUID());
  const problem = error.toProblem();
  if (error.code !== "internal") return problem;
  const words = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return {
    ...problem,
    detail: words,
    next: "This is a fault of Wharf's own. Run the command again; if it stays, report it with these words.",
  };
}
