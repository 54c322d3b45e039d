import { WharfError } from "@wharf/contract";
import { describeMemoryLimit, type MemoryWatch } from "../../std/memory-watch.ts";
import type { ProcessExit } from "./process-group.ts";

/**
 * Reports that the agent ended while it loaded an earlier session; a new session may work.
 */
export class LoadError extends WharfError<"agent_start_failed"> {
  constructor(command: readonly string[], reason: string, cause: unknown) {
    super("agent_start_failed", { command: command.join(" ").slice(0, 500), reason }, { cause });
  }
}

export function createStartError(
  command: readonly string[],
  reason: string,
  cause: unknown,
): WharfError<"agent_start_failed"> {
  return new WharfError("agent_start_failed", { command: command.join(" ").slice(0, 500), reason }, { cause });
}

export const formatPromptFailure = (error: unknown): string =>
  `its prompt could not be prepared (${error instanceof Error ? error.message : "unknown"})`;

export const formatExit = ({ exit_code, signal }: ProcessExit): string =>
  signal === undefined ? `exit code ${exit_code ?? "unknown"}` : `signal ${signal}`;

/**
 * Explains why an agent ended without a request. The kernel may have killed only a part of the
 * agent, and the rest then ends with its own exit code, so any end after a memory kill counts as
 * out of memory.
 */
export const createExitError = (exit: ProcessExit, memory: MemoryWatch): WharfError =>
  memory.kills > 0 ? createMemoryError(exit) : new WharfError("agent_exited", { exit: formatExit(exit) });

export const createMemoryError = (exit: ProcessExit): WharfError<"agent_out_of_memory"> =>
  new WharfError("agent_out_of_memory", { exit: formatExit(exit), limit: describeMemoryLimit() });
