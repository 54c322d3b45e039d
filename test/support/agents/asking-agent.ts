import { api } from "@wharf/contract";
import type { ServerHarness } from "../server-harness.ts";

/**
 * Adds the demo agent with a route to Gemini: it asks the model with `demo: model <text>`. Returns
 * the name of its type.
 */
export async function addAskingAgent({ client }: Pick<ServerHarness, "client">): Promise<string> {
  const body = {
    name: "asking",
    command: ["wharf-demo-agent"],
    model_route: "gemini",
    environment_vars: { WHARF_GATEWAY: "${WHARF_GATEWAY}", WHARF_TOKEN: "${WHARF_TOKEN}" },
  };
  return (await client.call(api.createAgentType, { body })).name;
}
