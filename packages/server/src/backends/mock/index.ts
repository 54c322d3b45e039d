/** Runners without a process or any infrastructure, as slow and as unreliable as they are told to be. */
export { MockBackend } from "./mock-backend.ts";
export type { Fault } from "./faults.ts";
export { farAway } from "./simulation.ts";
