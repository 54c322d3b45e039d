/** This backend finds its own objects by these labels; no other party may set them. */
export const reservedLabels = {
  managedBy: "app.kubernetes.io/managed-by",
  component: "app.kubernetes.io/component",
  instance: "wharf.dev/instance",
  runner: "wharf.dev/runner",
  /**
   * An owner sets it to `true` on a namespace that Wharf may use although Wharf did not create it.
   */
  allow: "wharf.dev/allow",
} as const;

export const annotations = {
  /**
   * Names how the daemon listens: `socket`, `tls` on its port, or `port` (without encryption) on
   * runners of earlier versions.
   */
  wire: "wharf.dev/wire",
  /** Holds the digest of the object that Wharf last wrote. */
  digest: "wharf.dev/digest",
  createdAt: "wharf.dev/created-at",
  /** Holds the processor seconds of the runner's earlier pods. */
  cpuSeconds: "wharf.dev/cpu-seconds",
} as const;

/**
 * These annotations ask autoscalers to keep a pod's node: an agent may be in a turn, and its disk
 * may be deleted with its pod.
 */
export const keepNodeAnnotations: Readonly<Record<string, string>> = {
  "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
  "karpenter.sh/do-not-disrupt": "true",
};

export const manager = "wharf";

export type Labels = Readonly<Record<string, string>>;

/** All objects of a server's runners have these labels. */
export const getInstanceLabels = (instance: string): Labels => ({
  [reservedLabels.managedBy]: manager,
  [reservedLabels.instance]: instance,
});

const runnerComponent = { [reservedLabels.component]: "runner" };

/** Selects the runners of every Wharf server. */
export const anyRunnerLabels: Labels = { [reservedLabels.managedBy]: manager, ...runnerComponent };

export const getRunnerLabels = (instance: string, id: string): Labels => ({
  ...getInstanceLabels(instance),
  ...runnerComponent,
  [reservedLabels.runner]: id,
});

export const toSelector = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

const reservedDomain = /(^|\.)(kubernetes\.io|k8s\.io|wharf\.dev)$/;
const namePart = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const domain = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/**
 * Returns the labels that a tenant may set on its runners: valid ones, outside the domains that the
 * cluster or Wharf interprets.
 */
export function getTenantLabels(requested: Labels = {}): Labels {
  return Object.fromEntries(Object.entries(requested).filter(([name, value]) => isTenants(name) && isValue(value)));
}

const isValue = (value: string) => value === "" || namePart.test(value);

function isTenants(label: string): boolean {
  const parts = label.split("/");
  const name = parts.pop() ?? "";
  if (parts.length > 1 || !namePart.test(name)) return false;
  const [prefix] = parts;
  return prefix === undefined || (domain.test(prefix) && !reservedDomain.test(prefix));
}
