import { WharfError } from "@wharf/contract";
import type { ProcessExit } from "./process-group.ts";

/** The agent ended while it loaded an earlier session; it may start with a new one. */
export class LoadFailed extends WharfError<"agent_start_failed"> {
  constructor(command: readonly string[], reason: string, cause: unknown) {
    super("agent_start_failed", { command: command.join(" ").slice(0, 500), reason }, { cause });
  }
}

export function startFailed(
  command: readonly string[],
  reason: string,
  cause: unknown,
): WharfError<"agent_start_failed"> {
  return new WharfError("agent_start_failed", { command: command.join(" ").slice(0, 500), reason }, { cause });
}

export const notPrepared = (error: unknown): string =>
  `its prompt could not be prepared (${error instanceof Error ? error.message : "unknown"})`;

export function exitWords({ exit_code, signal, out_of_memory }: ProcessExit): string {
  const how = signal === undefined ? `exit code ${exit_code ?? "unknown"}` : `signal ${signal}`;
  return out_of_memory ? `${how}: the runner's memory was used up; give the agent type more` : how;
}
