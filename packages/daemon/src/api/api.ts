import type { Server } from "node:http";
import { type coreApi, daemonApi, type Health } from "@wharf/contract";
import type { AgentHost } from "../agent/index.ts";
import type { Commands } from "../exec/index.ts";
import { getDefaultFileSettings } from "../files/index.ts";
import type { GitWorkspace } from "../git/index.ts";
import type { IsolationCheck } from "../isolation/index.ts";
import type { Journal } from "../journal/index.ts";
import type { Terminals } from "../terminals/index.ts";
import type { Watcher } from "../watch/index.ts";
import { createAgentHandlers } from "./agent-routes.ts";
import { createExecHandlers } from "./exec-routes.ts";
import { createFileHandlers, createRawFileHandler } from "./files-routes.ts";
import { createGitHandlers, type GitRouteOptions } from "./git-routes.ts";
import type { RouteHandlers } from "./route-handlers.ts";
import { createRoutes, createEndpointServer } from "./endpoint-server.ts";
import { createSearchHandlers } from "./search-routes.ts";
import { createTerminalHandlers, createTerminalStreamHandler } from "./terminal-routes.ts";
import { createWatchHandlers } from "./watch-routes.ts";

interface ApiOptions {
  about: Pick<Health, "runner_id" | "version" | "protocol">;
  isolation: Pick<IsolationCheck, "state">;
  journal: Journal;
  agent: AgentHost;
  git: GitWorkspace;
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
  return createEndpointServer({
    routes: createRoutes(daemonApi, {
      ...createCoreHandlers(parts),
      ...createAgentHandlers(agent),
      ...createGitHandlers({ git, onCommit, onInternal }),
      ...createFileHandlers(files),
      ...createSearchHandlers({ workspace }),
      ...createExecHandlers(commands),
      ...createTerminalHandlers(terminals),
      ...createWatchHandlers(watcher),
    }),
    raw: [createRawFileHandler(files), createTerminalStreamHandler(terminals)],
    onInternal,
  });
}

function createCoreHandlers({
  about,
  isolation,
  journal,
  agent,
  git,
  isDiskFull,
}: ApiOptions): RouteHandlers<typeof coreApi> {
  const success = { ok: true } as const;
  return {
    health: async () => ({
      ...about,
      ...isolation.state(),
      uptime_s: process.uptime(),
      rss_bytes: process.memoryUsage.rss(),
      journal: journal.state(),
      agent: agent.state(),
      workspace: await git.status(),
      ...((await isDiskFull()) && { disk_full: true }),
    }),
    journal: ({ query: { after: afterSequence, follow } }, signal) =>
      follow ? journal.follow({ after: afterSequence, signal }) : journal.read({ after: afterSequence }),
    ackJournal: async ({ body }) => {
      await journal.ack(body);
      return journal.state();
    },
    clone: ({ body }) => git.clone(body),
    push: ({ body }) => git.push(body),
    diff: ({ query }) => git.diff(query),
    startAgent: ({ body }) => agent.start(body),
    prompt: ({ body }) => agent.prompt(body),
    turn: ({ params }) => agent.turn(params.turn_id),
    cancelTurn: async ({ body }) => {
      await agent.cancel(body.turn_id);
      return success;
    },
    answerPermission: async ({ params, body }) => {
      const { option_id, by: answeredBy } = body;
      await agent.answerPermission({
        permission_id: params.permission_id,
        by: answeredBy,
        ...(option_id !== undefined && { option_id }),
      });
      return success;
    },
    stopAgent: async ({ body }) => {
      await agent.stop(body.reason);
      return success;
    },
  };
}
