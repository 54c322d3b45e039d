import type { agentApi } from "@wharf/contract";
import type { AgentHost } from "../agent/index.ts";
import type { RouteHandlers } from "./route-handlers.ts";

export function createAgentHandlers(agent: AgentHost): RouteHandlers<typeof agentApi> {
  const success = { ok: true } as const;
  return {
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
      await agent.stop(body.reason, body.force ? { killAfterMs: 0 } : {});
      return success;
    },
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
