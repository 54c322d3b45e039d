import { backends } from "./backends.ts";
import { ConformanceHarness, createRunnerSpec } from "./conformance-harness.ts";

/**
 * A server in a separate process, for a test to kill: creates a runner, sends its agent a turn, and
 * reports the start.
 */
const [name = "", folder = "", runnerId = "", turnId = ""] = process.argv.slice(2);
const under = backends[name];
if (!under) throw new Error(`there is no backend '${name}'`);
const harness = ConformanceHarness.attach(under, { folder, backendHarness: await under.open(folder) });
const spec = createRunnerSpec(runnerId);
await harness.backend.create(spec);
const runner = harness.adopt(spec);
await runner.startAgent("run-1");
await runner.prompt("run-1", turnId, "demo: say before\ndemo: sleep 1s\ndemo: say after");
process.stdout.write("prompted\n");
setInterval(() => undefined, 60_000);
