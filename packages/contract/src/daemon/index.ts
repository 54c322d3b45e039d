import { coreApi } from "../daemon-api.ts";
import { agentApi } from "./agent.ts";
import { execApi } from "./exec.ts";
import { filesApi } from "./files.ts";
import { gitApi } from "./git.ts";
import { searchApi } from "./search.ts";
import { terminalsApi } from "./terminals.ts";
import { watchApi } from "./watch.ts";

/**
 * Every JSON or NDJSON route of a daemon. The routes for raw bytes are exported separately by their
 * modules.
 */
export const daemonApi = {
  ...coreApi,
  ...agentApi,
  ...gitApi,
  ...filesApi,
  ...searchApi,
  ...execApi,
  ...terminalsApi,
  ...watchApi,
} as const;
