import { Readable } from "node:stream";
import { type AgentTestEvent, api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import { type AgentTypes, presentAgentType } from "../../agent-types/index.ts";
import type { AgentTests } from "../../runs/index.ts";
import { waitAtMost } from "../../std/wait-at-most.ts";
import { mapPage, nameRows } from "../../store/index.ts";
import { getCallerSignal, sendBytes } from "../http/pass-through.ts";
import { registerRoute } from "../http/register-route.ts";

export interface AgentTypeModules {
  readonly agentTypes: AgentTypes;
  readonly agentTests: AgentTests;
}

/** Proxies close connections on which nothing arrives for longer. */
const keepAliveIntervalMs = 30_000;

/** Routes of agent types, and their tests. */
export function serveAgentTypes(app: FastifyInstance, { agentTypes, agentTests }: AgentTypeModules): void {
  registerRoute(app, api.listAgentTypes, async ({ scope, query }) => {
    const types = await agentTypes.list(scope, query);
    return nameRows(
      "agent_types",
      mapPage(types, (type) => presentAgentType(scope, type)),
    );
  });
  registerRoute(app, api.getAgentType, async ({ scope, params }) =>
    presentAgentType(scope, await agentTypes.get(scope, params.type_id)),
  );
  registerRoute(app, api.createAgentType, async ({ scope, body }) =>
    presentAgentType(scope, await agentTypes.create(scope, body)),
  );
  registerRoute(app, api.updateAgentType, async ({ scope, params, body, expected }) =>
    presentAgentType(scope, await agentTypes.update(scope, params.type_id, body, expected)),
  );
  registerRoute(app, api.deleteAgentType, ({ scope, params, expected }) =>
    agentTypes.remove(scope, params.type_id, expected),
  );
  registerRoute(
    app,
    api.testAgentType,
    async ({ scope, params, body }, reply) => {
      const signal = getCallerSignal(reply);
      const events = await agentTests.start(scope, params.type_id, { input: body, signal });
      void sendBytes(reply, "application/x-ndjson", Readable.from(toLines(events), { objectMode: false }));
    },
    { isWatched: true },
  );
}

/** An empty line is a sign of life. */
async function* toLines(events: AsyncGenerator<AgentTestEvent>): AsyncGenerator<string, void, undefined> {
  try {
    for (let next = events.next(); ;) {
      const result = await waitAtMost(next, keepAliveIntervalMs);
      if (result?.done) return;
      yield result ? `${JSON.stringify(result.value)}\n` : "\n";
      if (result) next = events.next();
    }
  } finally {
    await events.return(undefined);
  }
}
