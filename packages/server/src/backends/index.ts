/** Where runners live: what every backend can do, and the backends there are. */
export type { Backend, RunnerSpec } from "./backend.ts";
export { createLocalBackend, type LocalBackend, missingSandbox } from "./local/index.ts";
export { farAway, MockBackend } from "./mock/index.ts";
