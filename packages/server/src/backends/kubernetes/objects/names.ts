import { createHash } from "node:crypto";
import type { KubernetesSettings } from "../settings.ts";

/** Names of the objects that make up a runner. All follow from its id, so whoever knows the id finds them. */
export const getObjectNames = (id: string) => ({
  /** The StatefulSet, or the bare pod. */
  runner: `runner-${id}`,
  secret: `runner-${id}`,
  workspace: `workspace-${id}`,
  home: `home-${id}`,
});

export const accountName = "wharf-runner";

const maxNameLength = 63;

/** The namespace a tenant's runners live in. */
export function getNamespace(
  { namespaces }: Pick<KubernetesSettings, "namespaces">,
  tenant: string | undefined,
): string {
  if ("fixed" in namespaces) return namespaces.fixed;
  const requested = `${namespaces.prefix}${tenant ?? "default"}`;
  const allowed = requested
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replace(/^-+/, "")
    .replace(/-+$/, "");
  if (allowed === requested && allowed.length <= maxNameLength) return requested;
  // Two tenants whose names differ only in what is not allowed must not share a namespace.
  const mark = createHash("sha256").update(requested).digest("hex").slice(0, 10);
  return `${allowed.slice(0, maxNameLength - mark.length - 1).replace(/-+$/, "")}-${mark}`;
}
