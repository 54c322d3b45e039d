/** The image an agent type's runners are made of, or nothing where it leaves that to the backend. */
export function imageOf(type: {
  readonly docker_image: string | null;
  readonly docker_tag: string;
}): string | undefined {
  if (!type.docker_image) return undefined;
  // An address by digest has no tag.
  return type.docker_image.includes("@") ? type.docker_image : `${type.docker_image}:${type.docker_tag}`;
}
