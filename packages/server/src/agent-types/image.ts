import type { McpServer } from "@wharf/contract";

/** Where Wharf's own images come from; see `qualifyImage`. */
export interface ImageNames {
  /** Empty, or a registry and path that end with a slash. */
  readonly prefix: string;
  readonly tag: string;
}

/** As `deploy/images` names them: without a registry, and with a tag only where somebody chose one. */
const ownImage = /^(wharf-[a-z0-9-]+)(?::([\w.-]+))?$/;

/** An image that is called `wharf-…` gets the configured registry and tag; every other name stays as it is. */
export function qualifyImage(image: string, { prefix, tag }: ImageNames): string {
  const [, name, ownTag = "latest"] = ownImage.exec(image) ?? [];
  return name === undefined ? image : `${prefix}${name}:${ownTag === "latest" ? tag : ownTag}`;
}

/** The image an agent type's runners are made of, or nothing where it leaves that to the backend. */
export function getAgentImage(
  type: { readonly docker_image: string | null; readonly docker_tag: string },
  names: ImageNames,
): string | undefined {
  if (!type.docker_image) return undefined;
  // An address by digest has no tag.
  if (type.docker_image.includes("@")) return type.docker_image;
  return qualifyImage(`${type.docker_image}:${type.docker_tag}`, names);
}

interface Programs {
  readonly command: readonly string[];
  readonly programs: readonly string[];
}

/** The programs without which an agent type cannot start: the one it is started with, and those it starts itself. */
export const programsOf = ({ command, programs }: Programs): string[] => [command[0] ?? "", ...programs];

/**
 * The programs to bring into an agent type's runners. Of its MCP servers those that have a path are inside or in the
 * repository, and `node` is in every runner; an agent starts without a server that is missing.
 */
export function allProgramsOf(type: Programs & { readonly mcp_servers: readonly McpServer[] }): string[] {
  const servers = type.mcp_servers.flatMap((server) => ("command" in server ? [server.command] : []));
  return [...programsOf(type), ...servers.filter((command) => !command.includes("/") && command !== "node")];
}
