/**
 * Runs real daemons behind a wire that is as slow and unreliable as configured. Exists only in a
 * source checkout.
 */
export { MockBackend, type MockBackendOptions } from "./mock-backend.ts";
export type { Fault } from "./faults.ts";
export { createRemoteSimulation } from "./simulation.ts";
