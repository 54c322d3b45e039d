import { join } from "node:path";
import { readConfig, startServer } from "../../packages/server/src/index.ts";

/**
 * A server in a separate process, like `wharf up`. A test may set its timeouts (`WHARF_TEST_TIMES`,
 * JSON) or the runners' kit (`WHARF_TEST_KIT`), which only tests need.
 */
const built = join(import.meta.dirname, "../../packages/daemon/dist/kit");
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
