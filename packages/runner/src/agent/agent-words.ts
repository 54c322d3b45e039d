import { WharfError } from "@wharf/contract";
import type { ProcessExit } from "./process-group.ts";

export function startFailed(
  command: readonly string[],
  reason: string,
  cause: unknown,
): WharfError<"agent_start_failed"> {
  return new WharfError("agent_start_failed", { command: command.join(" ").slice(0, 500), reason }, { cause });
}

export const notPrepared = (error: unknown): string =>
  `its prompt could not be prepared (${error instanceof Error ? error.message : "unknown"})`;

export const exitWords = ({ exit_code, signal }: ProcessExit): string =>
  signal === undefined ? `exit code ${exit_code ?? "unknown"}` : `signal ${signal}`;
