import { join } from "node:path";
import { readConfig, startServer } from "../../packages/server/src/index.ts";

/**
 * A server in a process of its own, like `wharf up`, that a test has told how long to wait for things (`WHARF_TEST_TIMES`,
 * JSON) or what to put into runners (`WHARF_TEST_KIT`): nobody but a test wants to set either.
 */
const built = join(import.meta.dirname, "../../packages/runner/dist/kit");
const { WHARF_TEST_KIT: kit = built, WHARF_TEST_TIMES: times = "{}", ...environment } = process.env;
const server = await startServer({
  config: readConfig(environment),
  kit,
  times: JSON.parse(times),
  version: "0.0.0",
  environment,
});
process.once("SIGINT", () => void server.stop());
await server.stopped;
