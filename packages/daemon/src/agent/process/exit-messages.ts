import { WharfError } from "@wharf/contract";
import { describeMemoryLimit, type MemoryWatch } from "../../support/memory-watch.ts";
import type { ProcessExit } from "./process-group.ts";

/**
 * LoadFailed reports that the agent ended while it loaded an earlier session; a new session may
 * work.
 */
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

export const exitWords = ({ exit_code, signal }: ProcessExit): string =>
  signal === undefined ? `exit code ${exit_code ?? "unknown"}` : `signal ${signal}`;

/**
 * Explains why an agent ended without a request. The kernel may have killed only a part of the
 * agent, and the rest then ends with its own exit code, so any end after a memory kill counts as
 * out of memory.
 */
export const unexpectedExit = (exit: ProcessExit, memory: MemoryWatch): WharfError =>
  memory.kills > 0 ? outOfMemory(exit) : new WharfError("agent_exited", { exit: exitWords(exit) });

export const outOfMemory = (exit: ProcessExit): WharfError<"agent_out_of_memory"> =>
  new WharfError("agent_out_of_memory", { exit: exitWords(exit), limit: describeMemoryLimit() });
