import { readFileSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import type { WrittenStep } from "../models/steps.ts";
import type { ServerHarness } from "../server-harness.ts";
import type { RealAgent } from "./real-agents.ts";

const source = readFileSync(join(import.meta.dirname, "words-server.mjs"), "utf8");
const mark = "words:";

/**
 * A call of the server's tool, and its result: the reversed text, and a value from its environment.
 */
export const sayReversed: WrittenStep = { use: "reverse", args: { words: "quince" } };
export const reversed = `${mark}ecniuq`;

/** Adds the MCP server `words` to an agent, as a program in its home folder. */
export async function addWordsServer(wharf: ServerHarness, { name: type_id, mcp }: RealAgent): Promise<void> {
  if (!mcp) return;
  const { home_files, environment_vars } = await wharf.client.call(api.getAgentType, { params: { type_id } });
  const server = { name: "words", command: "node", args: ["/home/wharf/words.mjs"], env: { MARK: mark } };
  const body = {
    home_files: { ...home_files, "words.mjs": source },
    environment_vars: { ...environment_vars, ...mcp },
    mcp_servers: [server],
  };
  await wharf.client.call(api.updateAgentType, { params: { type_id }, body });
}
