/** Wharf's built-in coding agent: speaks the Agent Client Protocol on stdio like any other. */
import { version } from "@wharf/contract";
import { serve } from "./acp/index.ts";
import { modelSettings, sessionFolder } from "./settings.ts";
import { runTurn } from "./turn/index.ts";

// The SDK would print its warnings on stdout, where only the protocol may be.
globalThis.AI_SDK_LOG_WARNINGS = false;

await serve({
  name: "wharf-agent",
  title: "Wharf's coding agent",
  version,
  sessions: sessionFolder(process.env),
  check: () => void modelSettings(process.env),
  turn: (session, prompt, signal) => runTurn(session, prompt, { settings: modelSettings(process.env), signal }),
});
process.exit(0);
