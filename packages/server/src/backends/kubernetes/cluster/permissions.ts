import type { ApiCall } from "./api-call.ts";

/** One rule of access, as roles write it. */
export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
}

/**
 * Everything this backend may ask of the API. A call beyond it is a fault of the program and is never sent; the roles in
 * `deploy/kubernetes` grant exactly this. There is no reading of secrets: they are written, and go with their owner.
 */
export const permissions: readonly Permission[] = [
  { group: "", resource: "namespaces", verbs: ["get", "create"] },
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

/** Beyond those: what a cluster's owner may grant so that usage is measured by the kubelet. Without it the container's own cgroup is read. */
export const optionalPermissions: readonly Permission[] = [{ group: "", resource: "nodes/proxy", verbs: ["get"] }];

export const isPermitted = ({ verb, group, resource }: ApiCall): boolean =>
  [...permissions, ...optionalPermissions].some(
    (one) => one.group === group && one.resource === resource && one.verbs.includes(verb),
  );
