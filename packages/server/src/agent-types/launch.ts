import type { McpServer } from "@wharf/contract";
import type { AgentTypeRow } from "./row.ts";

/** The APIs of model routes; see the gateway. */
type ModelApi = "gemini" | "anthropic" | "openai";
/** The routes for which the server has a key, by name. */
export type ConfiguredRoutes = Readonly<Record<string, { readonly api: ModelApi }>>;

/**
 * How one run starts its agent: everything is expanded except for the gateway's address, which only
 * the daemon knows.
 */
export interface AgentLaunch {
  readonly command: string[];
  readonly environment: Record<string, string>;
  readonly home_files: Record<string, string>;
  readonly mcp_servers: McpServer[];
  readonly model_route?: string;
}

/** Returns the route of an agent type's runs: its own, or for `auto` the first one with a key. */
export function getModelRoute(type: Pick<AgentTypeRow, "model_route">, routes: ConfiguredRoutes): string | undefined {
  if (type.model_route !== "auto") return type.model_route ?? undefined;
  return Object.keys(routes)[0];
}

/**
 * Replaces only Wharf's own names: no agent type can copy a value of the server's environment into
 * a sandbox.
 */
export function createLaunch(type: AgentTypeRow, token: string, routes: ConfiguredRoutes): AgentLaunch {
  const route = getModelRoute(type, routes);
  const values: ReadonlyMap<string, string> = new Map([
    ["WHARF_TOKEN", token],
    ["WHARF_MODEL_ROUTE", route ?? ""],
    ["WHARF_MODEL_API", (route && Object.hasOwn(routes, route) && routes[route]?.api) || ""],
  ]);
  const expandText = (text: string) =>
    text.replaceAll(/\$\{(\w+)\}/g, (placeholder, name: string) => values.get(name) ?? placeholder);
  const expandRecord = (record: Record<string, string>) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, expandText(value)]));
  return {
    command: type.command.map(expandText),
    environment: expandRecord(type.environment_vars),
    home_files: expandRecord(type.home_files),
    mcp_servers: type.mcp_servers.map((server) =>
      "url" in server
        ? { name: server.name, url: expandText(server.url), headers: expandRecord(server.headers) }
        : { ...server, args: server.args.map(expandText), env: expandRecord(server.env) },
    ),
    ...(route && { model_route: route }),
  };
}
