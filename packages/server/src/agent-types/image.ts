import type { McpServer } from "@wharf/contract";

/** The source of Wharf's own images; see `qualifyImage`. */
export interface ImageNames {
  /** Empty, or a registry and path that end with a slash. */
  readonly prefix: string;
  readonly tag: string;
}

/**
 * Images named as in `deploy/images`: without a registry, and with a tag only if somebody chose
 * one.
 */
const ownImage = /^(wharf-[a-z0-9-]+)(?::([\w.-]+))?$/;

/**
 * Adds the configured registry and tag to an image called `wharf-…`; every other name remains
 * unchanged.
 */
export function qualifyImage(image: string, { prefix, tag }: ImageNames): string {
  const [, name, ownTag = "latest"] = ownImage.exec(image) ?? [];
  return name === undefined ? image : `${prefix}${name}:${ownTag === "latest" ? tag : ownTag}`;
}

/** Returns the image of an agent type's runners, or undefined if the backend decides. */
export function getAgentImage(
  type: { readonly docker_image: string | null; readonly docker_tag: string },
  names: ImageNames,
): string | undefined {
  if (!type.docker_image) return undefined;
  // An image reference by digest has no tag.
  if (type.docker_image.includes("@")) return type.docker_image;
  return qualifyImage(`${type.docker_image}:${type.docker_tag}`, names);
}

interface Programs {
  readonly command: readonly string[];
  readonly programs: readonly string[];
}

/**
 * The programs without which an agent type cannot start: its command, and the programs that the
 * command starts.
 */
export const getPrograms = ({ command, programs }: Programs): string[] => [command[0] ?? "", ...programs];

/**
 * The programs to provide in an agent type's runners. MCP servers with a path are inside the runner
 * or in the repository, and `node` is in every runner; an agent starts even if a server is missing.
 */
export function getAllPrograms(type: Programs & { readonly mcp_servers: readonly McpServer[] }): string[] {
  const servers = type.mcp_servers.flatMap((server) => ("command" in server ? [server.command] : []));
  return [...getPrograms(type), ...servers.filter((command) => !command.includes("/") && command !== "node")];
}
