/**
 * Hosts runners on this machine: in a bubblewrap sandbox if that works, otherwise as clearly marked
 * plain processes.
 */
export { createLocalBackend, createPlainBackend, openLeftoverRunners } from "./local-backend.ts";
export type { LocalBackendOptions } from "./local-backend.ts";
export { describeSandbox } from "./probe.ts";
