/**
 * The relay is the only way out of a runner: requests of programs inside travel over the wire to
 * the gateway.
 */
export { createOutgoingEnvironment } from "./outgoing-environment.ts";
export { formatRegistries, writeRegistryFiles } from "./registry-environment.ts";
export { startRelay, type Relay } from "./relay.ts";
