/** Where runners live: what every backend can do, and the backends there are. */
export type { Backend, RunnerSpec } from "./backend.ts";
export { createLocalBackend, missingSandbox } from "./local/index.ts";
