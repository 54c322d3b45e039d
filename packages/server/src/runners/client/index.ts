/** The client in the server: every call to a runner's daemon, over whatever wire there is, with its retries and its circuit. */
export { RunnerClient } from "./runner-client.ts";
