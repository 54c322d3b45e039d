import { hasRolePermission } from "@wharf/contract";
import type { Caller } from "../access/index.ts";
import type { AgentTypeView } from "./agent-types.ts";

type Texts = Readonly<Record<string, string>>;

/** An agent type as a person sees it. */
export type PresentedAgentType = AgentTypeView & { readonly values_hidden: boolean };

/**
 * Presents a type. Values of variables, files and headers may be secrets of the agent, so only
 * people who may change the type see them; others see the names.
 */
export function presentAgentType(caller: Caller, type: AgentTypeView): PresentedAgentType {
  if (mayChange(caller, type)) return { ...type, values_hidden: false };
  return {
    ...type,
    environment_vars: hideValues(type.environment_vars),
    home_files: hideValues(type.home_files),
    mcp_servers: type.mcp_servers.map((server) =>
      "url" in server ? { ...server, headers: hideValues(server.headers) } : { ...server, env: hideValues(server.env) },
    ),
    values_hidden: true,
  };
}

/** Operators change the types of the server, admins those of their organization. */
function mayChange(caller: Caller, { organization_id }: AgentTypeView): boolean {
  if (!hasRolePermission(caller, "agent-type:write") || caller.permissions?.has("agent-type:write") === false)
    return false;
  return organization_id !== null || caller.is_operator;
}

const hideValues = (values: Texts): Record<string, string> =>
  Object.fromEntries(Object.keys(values).map((name) => [name, ""]));
