/** Real daemons behind a wire that is as slow and as unreliable as it is told to be. Only in a source checkout. */
export { MockBackend, type MockBackendOptions } from "./mock-backend.ts";
export type { Fault } from "./faults.ts";
export { createRemoteSimulation } from "./simulation.ts";
