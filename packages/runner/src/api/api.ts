import type { Server } from "node:http";
import { type coreApi, daemonApi, type Health } from "@wharf/contract";
import type { AgentHost } from "../agent/index.ts";
import type { Commands } from "../exec/index.ts";
import { defaultFileSettings } from "../files/index.ts";
import type { GitWorkspace } from "../git/index.ts";
import type { IsolationCheck } from "../isolation/index.ts";
import type { Journal } from "../journal/index.ts";
import type { Terminals } from "../terminals/index.ts";
import type { Watcher } from "../watch/index.ts";
import { agentHandlers } from "./agent-routes.ts";
import { execHandlers } from "./exec-routes.ts";
import { fileHandlers, rawFileHandler } from "./files-routes.ts";
import { gitHandlers, type GitParts } from "./git-routes.ts";
import type { HandlersOf } from "./handlers-of.ts";
import { routesOf, serveEndpoints } from "./registrar.ts";
import { searchHandlers } from "./search-routes.ts";
import { terminalHandlers, terminalStreamHandler } from "./terminal-routes.ts";
import { watchHandlers } from "./watch-routes.ts";

interface ApiParts {
  about: Pick<Health, "runner_id" | "version" | "protocol">;
  isolation: Pick<IsolationCheck, "state">;
  journal: Journal;
  agent: AgentHost;
  git: GitWorkspace;
  onCommit: GitParts["onCommit"];
  watcher: Watcher;
  commands: Promise<Commands>;
  terminals: Promise<Terminals>;
  workspace: string;
  /** Whether the runner has no space left. */
  isDiskFull: () => Promise<boolean>;
  /** Told of failures that are nobody's request's fault. */
  onInternal: (reference: string, error: unknown) => void;
}

/** The daemon's HTTP server. It never listens: connections are given to it. */
export function createApi(parts: ApiParts): Server {
  const { agent, git, onCommit, watcher, commands, terminals, workspace, onInternal } = parts;
  const files = defaultFileSettings(workspace);
  return serveEndpoints({
    routes: routesOf(daemonApi, {
      ...coreHandlers(parts),
      ...agentHandlers(agent),
      ...gitHandlers({ git, onCommit, onInternal }),
      ...fileHandlers(files),
      ...searchHandlers({ workspace }),
      ...execHandlers(commands),
      ...terminalHandlers(terminals),
      ...watchHandlers(watcher),
    }),
    raw: [rawFileHandler(files), terminalStreamHandler(terminals)],
    onInternal,
  });
}

function coreHandlers({ about, isolation, journal, agent, git, isDiskFull }: ApiParts): HandlersOf<typeof coreApi> {
  const done = { ok: true } as const;
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
    journal: ({ query: { after, follow } }, signal) =>
      follow ? journal.follow({ after, signal }) : journal.read({ after }),
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
      return done;
    },
    answerPermission: async ({ params, body }) => {
      const { option_id, by } = body;
      await agent.answerPermission({
        permission_id: params.permission_id,
        by,
        ...(option_id !== undefined && { option_id }),
      });
      return done;
    },
    stopAgent: async ({ body }) => {
      await agent.stop(body.reason);
      return done;
    },
  };
}
