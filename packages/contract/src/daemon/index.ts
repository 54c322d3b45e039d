import { agentApi } from "./agent.ts";
import { execApi } from "./exec.ts";
import { filesApi } from "./files.ts";
import { gitApi } from "./git.ts";
import { healthApi } from "./health.ts";
import { journalApi } from "./journal.ts";
import { portsApi } from "./ports.ts";
import { searchApi } from "./search.ts";
import { terminalsApi } from "./terminals.ts";
import { watchApi } from "./watch.ts";

export * from "./agent.ts";
export * from "./config.ts";
export * from "./exec.ts";
export * from "./files.ts";
export * from "./git.ts";
export * from "./health.ts";
export * from "./journal.ts";
export * from "./ports.ts";
export * from "./registry.ts";
export * from "./search.ts";
export * from "./terminal-frames.ts";
export * from "./terminals.ts";
export * from "./watch.ts";

/**
 * The routes of the daemon inside a runner, which arrive only over the wire. Routes for raw bytes
 * are exported separately by their modules.
 */
export const daemonApi = {
  ...healthApi,
  ...journalApi,
  ...agentApi,
  ...gitApi,
  ...filesApi,
  ...searchApi,
  ...execApi,
  ...terminalsApi,
  ...portsApi,
  ...watchApi,
} as const;
