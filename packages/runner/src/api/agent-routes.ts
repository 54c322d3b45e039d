import type { agentApi } from "@wharf/contract";
import type { AgentHost } from "../agent/index.ts";
import type { HandlersOf } from "./handlers-of.ts";

export function agentHandlers(agent: AgentHost): HandlersOf<typeof agentApi> {
  const done = { ok: true } as const;
  return {
    pauseAgent: () => agent.pause(),
    resumeAgent: () => agent.resume(),
    setMode: async ({ body }) => {
      await agent.setMode(body.mode_id);
      return done;
    },
    setModel: async ({ body }) => {
      await agent.setModel(body.model_id);
      return done;
    },
  };
}
