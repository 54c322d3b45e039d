import { access, constants } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import type { McpServer as AcpMcpServer } from "@agentclientprotocol/sdk";
import type { McpServer } from "@wharf/contract";

interface Surroundings {
  /** The agent runs with this PATH. */
  readonly path: string;
  /** The agent accepts servers over HTTP. */
  readonly http: boolean;
}

interface Offered {
  readonly servers: AcpMcpServer[];
  /** Each notice explains to a person why a server was left out. */
  readonly notices: string[];
}

/**
 * Converts the MCP servers of an agent type to the protocol's form, which requires full paths to
 * programs.
 */
export async function offerMcpServers(all: readonly McpServer[], { path, http }: Surroundings): Promise<Offered> {
  const servers: AcpMcpServer[] = [];
  const notices: string[] = [];
  for (const server of all) {
    if ("url" in server) {
      const { name, url, headers } = server;
      if (http) servers.push({ type: "http", name, url, headers: toPairs(headers) });
      else notices.push(`The agent does not support MCP servers over HTTP; Wharf leaves out '${name}'.`);
      continue;
    }
    const { name, args, env } = server;
    const command = await findProgram(server.command, path);
    if (command !== undefined) servers.push({ name, command, args, env: toPairs(env) });
    else notices.push(`Wharf leaves out the MCP server '${name}': its program '${server.command}' is not installed.`);
  }
  return { servers, notices };
}

const toPairs = (record: Readonly<Record<string, string>>): { name: string; value: string }[] =>
  Object.entries(record).map(([name, value]) => ({ name, value }));

async function findProgram(program: string, path: string): Promise<string | undefined> {
  const places = isAbsolute(program) ? [program] : path.split(delimiter).filter(isAbsolute);
  for (const place of places) {
    const file = isAbsolute(program) ? place : join(place, program);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return undefined;
}
