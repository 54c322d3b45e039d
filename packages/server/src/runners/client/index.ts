/** The client in the server: every call to a runner's daemon, over whatever wire there is, with its retries, circuit and fallbacks. */
export { RunnerAwayError, RunnerClient } from "./runner-client.ts";
