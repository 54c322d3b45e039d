import type { Server } from "node:http";
import { daemonApi, type Health, type healthApi, type journalApi } from "@wharf/contract";
import type { AgentHost } from "../agent/index.ts";
import type { Commands } from "../exec/index.ts";
import { getDefaultFileSettings } from "../files/index.ts";
import type { GitService } from "../git/index.ts";
import type { IsolationCheck } from "../isolation/index.ts";
import type { Journal } from "../journal/index.ts";
import { Ports } from "../ports/index.ts";
import type { Terminals } from "../terminals/index.ts";
import type { Watcher } from "../watch/index.ts";
import { createAgentHandlers } from "./agent-routes.ts";
import { createRoutes, createEndpointServer } from "./endpoint-server.ts";
import { createExecHandlers } from "./exec-routes.ts";
import { createFileHandlers, createRawFileHandler } from "./files-routes.ts";
import { createGitHandlers, type GitRouteOptions } from "./git-routes.ts";
import { createPortHandlers, createPortStreamHandler } from "./port-routes.ts";
import type { RouteHandlers } from "./route-handlers.ts";
import { createSearchHandlers } from "./search-routes.ts";
import { createTerminalHandlers, createTerminalStreamHandler } from "./terminal-routes.ts";
import { createWatchHandlers } from "./watch-routes.ts";

interface ApiOptions {
  about: Pick<Health, "runner_id" | "version" | "protocol">;
  isolation: Pick<IsolationCheck, "state">;
  journal: Journal;
  agent: AgentHost;
  git: GitService;
  onCommit: GitRouteOptions["onCommit"];
  watcher: Watcher;
  commands: Promise<Commands>;
  terminals: Promise<Terminals>;
  workspace: string;
  /** Checks whether the runner has no disk space left. */
  isDiskFull: () => Promise<boolean>;
  /** Receives unexpected failures, which are not the fault of a request. */
  onInternal: (reference: string, error: unknown) => void;
}

/**
 * Creates the daemon's HTTP server. The server never listens: its owner passes connections to it.
 */
export function createApi(parts: ApiOptions): Server {
  const { agent, git, onCommit, watcher, commands, terminals, workspace, onInternal } = parts;
  const files = getDefaultFileSettings(workspace);
  const ports = new Ports();
  return createEndpointServer({
    routes: createRoutes(daemonApi, {
      ...createHealthAndJournalHandlers(parts),
      ...createAgentHandlers(agent),
      ...createGitHandlers({ git, onCommit, onInternal }),
      ...createFileHandlers(files),
      ...createSearchHandlers({ workspace }),
      ...createExecHandlers(commands),
      ...createTerminalHandlers(terminals),
      ...createPortHandlers(ports),
      ...createWatchHandlers(watcher),
    }),
    raw: [createRawFileHandler(files), createTerminalStreamHandler(terminals), createPortStreamHandler(ports)],
    onInternal,
  });
}

function createHealthAndJournalHandlers({
  about,
  isolation,
  journal,
  agent,
  git,
  isDiskFull,
}: ApiOptions): RouteHandlers<typeof healthApi & typeof journalApi> {
  return {
    health: async () => ({
      ...about,
      ...isolation.state(),
      uptime_s: process.uptime(),
      rss_bytes: process.memoryUsage.rss(),
      journal: journal.state(),
      agent: agent.state(),
      workspace: await git.getStatus(),
      ...((await isDiskFull()) && { disk_full: true }),
    }),
    journal: ({ query: { after: afterSequence, follow } }, signal) =>
      follow ? journal.follow({ after: afterSequence, signal }) : journal.read({ after: afterSequence }),
    ackJournal: async ({ body }) => {
      await journal.ack(body);
      return journal.state();
    },
  };
}
