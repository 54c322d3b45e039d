/**
 * The server's client: makes every call to a runner's daemon over the current link, with retries
 * and a circuit.
 */
export { RunnerClient } from "./runner-client.ts";
