/**
 * The demo agent is a real agent over the Agent Client Protocol, with a script in place of a model.
 */
import { version } from "@wharf/contract";
import { serveAgent } from "../acp/index.ts";
import { getGateway, getSessionFolder } from "../settings.ts";
import { runDemoTurn } from "./turn.ts";

await serveAgent({
  name: "wharf-demo-agent",
  title: "Wharf's demo agent (a script, not a model)",
  version,
  sessions: getSessionFolder(process.env),
  check: () => undefined,
  turn: async (session, prompt, signal) => ({
    stopReason: await runDemoTurn(session, prompt, { signal, gateway: getGateway(process.env) }),
  }),
});
process.exit(0);
