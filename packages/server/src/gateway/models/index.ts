/** Requests to models: the run's token is checked outside, the real key is added there and never comes back. */
export { createModelProxy } from "./proxy.ts";
export type { ModelTimes } from "./model-times.ts";
