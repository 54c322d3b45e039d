/**
 * Requests to models: the gateway checks the run's token, adds the real key, and never returns that
 * key to the runner.
 */
export { describeModelRoutes, presentModelRoutes, type UpstreamDescription } from "./describe-routes.ts";
export { createModelProxy } from "./proxy.ts";
export type { ModelTimes } from "./model-times.ts";
