/** Where runners live: what every backend can do, and the backends there are. */
export type { Backend, RunnerSighting, RunnerSpec, RunnerUsage } from "./backend.ts";
export { createLocalBackend } from "./local/index.ts";
export type { LocalBackend, LocalBackendOptions } from "./local/index.ts";
