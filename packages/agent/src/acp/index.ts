/** The Agent Client Protocol side that all of Wharf's own agents share: sessions, loading, cancelling, errors. */
export { serveAgent } from "./serve.ts";
