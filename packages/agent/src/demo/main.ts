/** The demo agent: a real agent over the Agent Client Protocol, with a script where others have a model. */
import { version } from "@wharf/contract";
import { serve } from "../acp/index.ts";
import { gatewayOf, sessionFolder } from "../settings.ts";
import { runDemoTurn } from "./turn.ts";

await serve({
  name: "wharf-demo-agent",
  title: "Wharf's demo agent (a script, not a model)",
  version,
  sessions: sessionFolder(process.env),
  check: () => {},
  turn: async (session, prompt, signal) => ({
    stopReason: await runDemoTurn(session, prompt, { signal, gateway: gatewayOf(process.env) }),
  }),
});
process.exit(0);
