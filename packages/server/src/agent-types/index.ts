/**
 * Agent types: how to start an agent, which agents are available, and what one run passes to its
 * agent.
 */
export { type AgentTypeView, AgentTypes } from "./agent-types.ts";
export { presentAgentType } from "./present-agent-type.ts";
export { findAgentType } from "./find-agent-type.ts";
export { getAllPrograms, type ImageNames, qualifyImage } from "./image.ts";
export { getUsualMode } from "./policy.ts";
export { type ConfiguredRoutes, createLaunch, getModelRoute } from "./launch.ts";
