import type { McpServer } from "@wharf/contract";
import { createOutgoingEnvironment } from "../../relay/index.ts";
import { gitVariables } from "../../std/git-variables.ts";
import type { AgentStartInput } from "../types.ts";

/** The address of the relay inside the runner replaces this text in an agent type. */
const gatewayMark = "${WHARF_GATEWAY}";

export const insertGateway = (value: string, gatewayUrl: string): string => value.replaceAll(gatewayMark, gatewayUrl);

const insertGatewayInValues = (values: Readonly<Record<string, string>>, gatewayUrl: string): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, insertGateway(value, gatewayUrl)]));

/** Returns the MCP servers with the relay's address in place. */
export const resolveMcpServers = (input: AgentStartInput, gatewayUrl: string): McpServer[] =>
  input.mcp_servers.map((server) =>
    "url" in server
      ? {
          ...server,
          url: insertGateway(server.url, gatewayUrl),
          headers: insertGatewayInValues(server.headers, gatewayUrl),
        }
      : {
          ...server,
          args: server.args.map((arg) => insertGateway(arg, gatewayUrl)),
          env: insertGatewayInValues(server.env, gatewayUrl),
        },
  );

/** Returns the variable that only the agent and its descendants have in their environment. */
export const formatRunVariable = (runId: string): string => `WHARF_RUN=${runId}`;

/**
 * Returns an agent's whole environment: a minimal base and the variables of its agent type. No
 * other variable of the daemon gets in.
 */
export function createAgentEnvironment(
  input: AgentStartInput,
  places: { home: string; gatewayUrl: string },
): Record<string, string> {
  const base = {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: places.home,
    USER: process.env["USER"] ?? "agent",
    LANG: "C.UTF-8",
    TERM: "dumb",
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
    NO_COLOR: "1",
    ...gitVariables,
    ...createOutgoingEnvironment(places.gatewayUrl),
    // The variable is set only if a runner has access to its owner's ssh agent.
    ...(process.env["SSH_AUTH_SOCK"] && { SSH_AUTH_SOCK: process.env["SSH_AUTH_SOCK"] }),
  };
  return { ...base, ...insertGatewayInValues(input.environment, places.gatewayUrl), WHARF_RUN: input.run_id };
}
