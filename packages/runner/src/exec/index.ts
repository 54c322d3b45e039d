/** Commands of a person or a script, run in the workspace with their output streamed. */
export { run } from "./run.ts";
