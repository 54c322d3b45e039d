/** The only way out of a runner: requests of programs inside go over the wire to the gateway. */
export { startRelay, type Relay } from "./relay.ts";
