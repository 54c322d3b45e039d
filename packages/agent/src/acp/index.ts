/**
 * This folder implements the Agent Client Protocol for all of Wharf's own agents: sessions,
 * loading, cancelling, errors.
 */
export { serveAgent } from "./serve.ts";
