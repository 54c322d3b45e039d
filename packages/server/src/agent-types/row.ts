import type { schema } from "../store/index.ts";

export type AgentTypeRow = typeof schema.agent_types.$inferSelect;
