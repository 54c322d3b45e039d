import type { ApiCall } from "./api-call.ts";

/** Describes one access rule, as roles write it. */
export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
}

/**
 * Lists what this backend may request from the API in the runners' namespaces. A call beyond this
 * list and the ones below is a bug and is never sent; the roles in `deploy/kubernetes` grant
 * exactly these. Wharf never reads secrets: it writes them, and they are deleted with their owner.
 */
export const permissions: readonly Permission[] = [
  { group: "", resource: "serviceaccounts", verbs: ["create"] },
  { group: "", resource: "resourcequotas", verbs: ["get", "create", "update"] },
  { group: "", resource: "limitranges", verbs: ["get", "create", "update"] },
  { group: "networking.k8s.io", resource: "networkpolicies", verbs: ["get", "create", "update"] },
  { group: "", resource: "secrets", verbs: ["create", "update"] },
  { group: "", resource: "persistentvolumeclaims", verbs: ["get", "create"] },
  { group: "apps", resource: "statefulsets", verbs: ["list", "create", "patch", "delete"] },
  { group: "", resource: "pods", verbs: ["list", "watch", "create", "delete"] },
  { group: "", resource: "pods/exec", verbs: ["get", "create"] },
  { group: "", resource: "pods/log", verbs: ["get"] },
  { group: "", resource: "events", verbs: ["list"] },
];

/** Required where each tenant has a namespace, which the server creates. */
export const tenantPermissions: readonly Permission[] = [
  { group: "", resource: "namespaces", verbs: ["get", "create"] },
];

/**
 * Shows whether a pod's node is gone; without it, Wharf force-deletes a pod that does not end only
 * after minutes.
 */
export const nodePermissions: readonly Permission[] = [{ group: "", resource: "nodes", verbs: ["get"] }];

/**
 * Lets the server read usage from kubelets; without it, the server reads the container's own
 * cgroup.
 */
export const usagePermissions: readonly Permission[] = [{ group: "", resource: "nodes/proxy", verbs: ["get"] }];

const all = [...permissions, ...tenantPermissions, ...nodePermissions, ...usagePermissions];

export const isPermitted = ({ verb, group, resource }: ApiCall): boolean =>
  all.some((one) => one.group === group && one.resource === resource && one.verbs.includes(verb));
