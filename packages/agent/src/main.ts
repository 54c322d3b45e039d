/** Wharf's built-in coding agent speaks the Agent Client Protocol on stdio like any other. */
import { version } from "@wharf/contract";
import { serveAgent } from "./acp/index.ts";
import { getModelSettings, getSessionFolder } from "./settings.ts";
import { runTurn } from "./turn/index.ts";

// The SDK would print its warnings on stdout, which is reserved for the protocol.
globalThis.AI_SDK_LOG_WARNINGS = false;

await serveAgent({
  name: "wharf-agent",
  title: "Wharf's coding agent",
  version,
  sessions: getSessionFolder(process.env),
  check: () => void getModelSettings(process.env),
  turn: (session, prompt, signal) => runTurn(session, prompt, { settings: getModelSettings(process.env), signal }),
});
process.exit(0);
