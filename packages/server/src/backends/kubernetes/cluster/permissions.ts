import type { ApiCall } from "./api-call.ts";

/** One rule of access, as roles write it. */
export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
}

/**
 * What this backend asks of the API in the namespaces of runners. A call beyond it and the lists below is a fault of the
 * program and is never sent; the roles in `deploy/kubernetes` grant exactly this. There is no reading of secrets: they are
 * written, and go with their owner.
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

/** Needed where each tenant has a namespace, which the server creates. */
export const tenantPermissions: readonly Permission[] = [
  { group: "", resource: "namespaces", verbs: ["get", "create"] },
];

/** Tells whether a pod's node is gone; without it, a pod that does not end is given up after minutes. */
export const nodePermissions: readonly Permission[] = [{ group: "", resource: "nodes", verbs: ["get"] }];

/** Lets kubelets be asked for usage; without it, the container's own cgroup is read. */
export const usagePermissions: readonly Permission[] = [{ group: "", resource: "nodes/proxy", verbs: ["get"] }];

const all = [...permissions, ...tenantPermissions, ...nodePermissions, ...usagePermissions];

export const isPermitted = ({ verb, group, resource }: ApiCall): boolean =>
  all.some((one) => one.group === group && one.resource === resource && one.verbs.includes(verb));
