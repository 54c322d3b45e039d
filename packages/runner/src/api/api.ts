import type { Server } from "node:http";
import { daemonApi, type Health } from "@wharf/contract";
import type { AgentHost } from "../agent/index.ts";
import { run } from "../exec/index.ts";
import type { GitWorkspace } from "../git/index.ts";
import type { Journal } from "../journal/index.ts";
import { serveEndpoints, type DaemonHandlers } from "./registrar.ts";

interface ApiParts {
  about: Pick<Health, "runner_id" | "version" | "isolation">;
  journal: Journal;
  agent: AgentHost;
  git: GitWorkspace;
  /** Where commands of `exec` run. */
  folders: { workspace: string; home: string };
  /** Told of failures that are nobody's request's fault. */
  onInternal: (reference: string, error: unknown) => void;
}

/** The daemon's HTTP server. It never listens: connections are given to it. */
export const createApi = (parts: ApiParts): Server =>
  serveEndpoints({ endpoints: daemonApi, handlers: handlersOf(parts), onInternal: parts.onInternal });

function handlersOf({ about, journal, agent, git, folders }: ApiParts): DaemonHandlers {
  const done = { ok: true } as const;
  return {
    health: async () => ({
      ...about,
      uptime_s: process.uptime(),
      rss_bytes: process.memoryUsage.rss(),
      journal: journal.state(),
      agent: agent.state(),
      workspace: await git.status(),
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
    exec: ({ body }, signal) => run(body, { ...folders, signal }),
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
