/** Runners on this machine: in a bubblewrap sandbox where that works, as plain, loudly marked processes where it does not. */
export { createLocalBackend, createPlainBackend } from "./local-backend.ts";
export type { LocalBackend, LocalBackendOptions } from "./local-backend.ts";
export { describeSandbox } from "./probe.ts";
