/** Agent types: how to start an agent, which of them can be started here, and what one run hands to its own. */
export { AgentTypes } from "./agent-types.ts";
export { allProgramsOf, type ImageNames, qualifyImage } from "./image.ts";
export { getUsualMode } from "./policy.ts";
export { type ConfiguredRoutes, createLaunch, getModelRoute } from "./launch.ts";
