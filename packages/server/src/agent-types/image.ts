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
export function imageOf(
  type: { readonly docker_image: string | null; readonly docker_tag: string },
  names: ImageNames,
): string | undefined {
  if (!type.docker_image) return undefined;
  // An address by digest has no tag.
  if (type.docker_image.includes("@")) return type.docker_image;
  return qualifyImage(`${type.docker_image}:${type.docker_tag}`, names);
}

/** The programs that an agent type's runners must have: the one it is started with, and those it starts itself. */
export const programsOf = (type: {
  readonly command: readonly string[];
  readonly programs: readonly string[];
}): string[] => [type.command[0] ?? "", ...type.programs];
