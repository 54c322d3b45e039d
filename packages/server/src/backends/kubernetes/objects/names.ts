import type { RunnerPlace } from "@wharf/contract";
import { getHash } from "../../../std/hash.ts";
import type { KubernetesSettings } from "../settings.ts";

/** Derives the names of a runner's objects from its id, so that the id is enough to find them. */
export const getObjectNames = (id: string) => ({
  /** Names the StatefulSet, or the bare pod. */
  runner: `runner-${id}`,
  secret: `runner-${id}`,
  workspace: `workspace-${id}`,
  home: `home-${id}`,
});

/** Returns the names of a runner's pod and, if its disk outlives the pod, of its claims. */
export function getPodNames(id: string, kind: "set" | "pod"): Omit<RunnerPlace, "namespace"> {
  const { runner, workspace, home } = getObjectNames(id);
  return kind === "pod" ? { pod: runner } : { pod: `${runner}-0`, workspace, home };
}

export const accountName = "wharf-runner";

const maxNameLength = 63;

/** Returns the namespace of a tenant's runners. */
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
  // Two tenants whose names differ only in disallowed characters must not share a namespace.
  const mark = getHash(requested).slice(0, 10);
  return `${allowed.slice(0, maxNameLength - mark.length - 1).replace(/-+$/, "")}-${mark}`;
}
