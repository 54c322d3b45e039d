import type {
  V1LimitRange,
  V1LimitRangeSpec,
  V1Namespace,
  V1NetworkPolicy,
  V1NetworkPolicyPeer,
  V1NetworkPolicySpec,
  V1ResourceQuota,
  V1ServiceAccount,
} from "@kubernetes/client-node";
import { type KubernetesSettings, wirePort } from "../settings.ts";
import { anyRunnerLabels, getInstanceLabels, manager, reservedLabels } from "./labels.ts";
import { accountName } from "./names.ts";

/** A tenant's namespace consists of these objects, besides its runners. */
export interface TenantObjects {
  readonly namespace: V1Namespace;
  readonly account: V1ServiceAccount;
  readonly quota: V1ResourceQuota;
  readonly limits: V1LimitRange;
  readonly policy: V1NetworkPolicy;
}

export interface TenantOptions {
  /**
   * Whether the namespace may hold objects that are not Wharf's; the network policy then selects
   * runners only.
   */
  readonly isShared: boolean;
}

export function createTenantObjects(
  namespace: string,
  settings: KubernetesSettings,
  { isShared }: TenantOptions,
): TenantObjects {
  const labels = { [reservedLabels.managedBy]: manager };
  const createObject = <S>(name: string, spec: S) => ({ metadata: { name, labels }, spec });
  return {
    namespace: {
      metadata: {
        name: namespace,
        labels: { ...getInstanceLabels(settings.instance), "pod-security.kubernetes.io/enforce": "restricted" },
      },
    },
    account: { metadata: { name: accountName, labels }, automountServiceAccountToken: false },
    quota: createObject("wharf-quota", { hard: { ...settings.quota } }),
    limits: createObject("wharf-limits", limitRange),
    policy: createObject("sandbox-isolation", {
      ...createNetworkPolicySpec(settings),
      podSelector: isShared ? { matchLabels: { ...anyRunnerLabels } } : {},
    }),
  };
}

/**
 * Sets defaults for pods without requests (S-047), and keeps every pod and claim within the largest
 * tier.
 */
const limitRange: V1LimitRangeSpec = {
  limits: [
    { type: "Pod", max: { cpu: "8", memory: "8Gi" } },
    {
      type: "Container",
      _default: { cpu: "500m", memory: "1Gi" },
      defaultRequest: { cpu: "250m", memory: "512Mi" },
      max: { cpu: "8", memory: "8Gi" },
    },
    { type: "PersistentVolumeClaim", min: { storage: "1Mi" }, max: { storage: "100Gi" } },
  ],
};

/**
 * Blocks all outgoing traffic, and admits only servers to the wire's port. A wire by exec needs no
 * incoming traffic at all.
 */
function createNetworkPolicySpec({ wire, servers }: KubernetesSettings): Omit<V1NetworkPolicySpec, "podSelector"> {
  const sources: V1NetworkPolicyPeer[] = [
    { namespaceSelector: { matchLabels: { ...servers.namespace } }, podSelector: { matchLabels: { ...servers.pods } } },
    ...servers.cidrs.map((cidr) => ({ ipBlock: { cidr } })),
  ];
  return {
    policyTypes: ["Ingress", "Egress"],
    ingress: wire === "pod" ? [{ _from: sources, ports: [{ protocol: "TCP", port: wirePort }] }] : [],
    egress: [],
  };
}
