import type { agentApi } from "@wharf/contract";
import type { AgentHost } from "../agent/index.ts";
import type { RouteHandlers } from "./route-handlers.ts";

export function createAgentHandlers(agent: AgentHost): RouteHandlers<typeof agentApi> {
  const success = { ok: true } as const;
  return {
    pauseAgent: () => agent.pause(),
    resumeAgent: () => agent.resume(),
    setMode: async ({ body }) => {
      await agent.setMode(body.mode_id);
      return success;
    },
    setModel: async ({ body }) => {
      await agent.setModel(body.model_id);
      return success;
    },
  };
}
