/**
 * The relay is the only way out of a runner: requests of programs inside travel over the wire to
 * the gateway.
 */
export { startRelay, type Relay } from "./relay.ts";
