/** Runners: their rows, the keys they are known by, and the wire to each. */
export { type Keys, keysFrom } from "./keys.ts";
export { type Link, openLink } from "./link.ts";
export { runnerFor, Runners } from "./runners.ts";
