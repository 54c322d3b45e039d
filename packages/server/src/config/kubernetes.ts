import { z } from "zod";
import {
  type DaemonSettings,
  defaultQuota,
  deployedServer,
  type KubernetesBackendOptions,
  type KubernetesSettings,
} from "../backends/index.ts";
import { list } from "./setting-forms.ts";

const optional = z
  .string()
  .trim()
  .min(1)
  .optional()
  .or(z.literal("").transform(() => undefined));
const cidr = z.cidrv4().or(z.cidrv6());
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const namespace = z
  .string()
  .regex(label, "the name of a namespace")
  .optional()
  .or(z.literal("").transform(() => undefined));

/** Deviations from the default quota of a tenant's namespace, as `pods=50,limits.cpu=100`. */
const quota = list.transform((entries, context) => {
  const pairs = entries.map((entry) => entry.split("="));
  for (const [name, amount, ...surplus] of pairs)
    if (!name || !amount || surplus.length > 0) context.addIssue("amounts by name, as in pods=50,limits.cpu=100");
  return Object.fromEntries(pairs.map(([name = "", amount = ""]) => [name, amount]));
});

const bytesPerUnit: Readonly<Record<string, number>> = { Mi: 1024 ** 2, Gi: 1024 ** 3, M: 1e6, G: 1e9 };
const cores = z
  .string()
  .regex(/^\d+m$|^\d+(\.\d+)?$/, "an amount of processors, such as 1000m or 1.5")
  .transform((text) => (text.endsWith("m") ? Number.parseInt(text, 10) / 1000 : Number(text)))
  .optional();
const bytes = z
  .string()
  .regex(/^\d+(Mi|Gi|M|G)$/, "an amount of bytes, such as 512Mi or 2Gi")
  .transform((text) => Number.parseInt(text, 10) * (bytesPerUnit[text.replace(/^\d+/, "")] ?? 1))
  .optional();

/** The settings of the backend `kubernetes`, by the names of their environment variables. */
export const kubernetesEnvironment = {
  /** The kubeconfig. The default is the account of the server's pod, or else `~/.kube/config`. */
  KUBECONFIG: optional,
  /** The context of the kubeconfig to use. */
  WHARF_KUBERNETES_CONTEXT: optional,
  /** The cluster sets this variable in every pod. */
  KUBERNETES_SERVICE_HOST: optional,
  /** An existing namespace for all runners. By default Wharf creates one per tenant. */
  WHARF_KUBERNETES_NAMESPACE: namespace,
  /** An older name of WHARF_KUBERNETES_NAMESPACE. */
  KUBERNETES_NAMESPACE: namespace,
  /** How the names of tenants' namespaces begin. */
  WHARF_KUBERNETES_NAMESPACE_PREFIX: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, "the beginning of a namespace's name, of at most 31 letters")
    .default("client-"),
  /** The pull secret of the runners' images, by its name in their namespace. */
  WHARF_KUBERNETES_IMAGE_PULL_SECRET: optional,
  /** Whether a runner's disk is a volume that outlives its pod. */
  WHARF_KUBERNETES_VOLUMES: z.enum(["claim", "ephemeral"]).default("claim"),
  /** The storage class of runners' volumes. */
  WHARF_KUBERNETES_STORAGE_CLASS: optional,
  /** The runtime class of runners' pods, such as gVisor's or Kata's. */
  WHARF_KUBERNETES_RUNTIME_CLASS: optional,
  /** The fraction of its limits that a runner reserves on its node. */
  WHARF_KUBERNETES_RESERVE: z.coerce.number().gt(0).max(1).default(1),
  /**
   * The route of runners' wires. `pod`: to the pods' addresses. `exec`: through the API. `auto`:
   * `pod` if the server itself runs in the cluster, else `exec`.
   */
  WHARF_KUBERNETES_WIRE: z.enum(["auto", "pod", "exec"]).default("auto"),
  /** The quota of a tenant's namespace, as `pods=50,limits.cpu=100`. */
  WHARF_KUBERNETES_QUOTA: z.string().default("").pipe(quota),
  /** The addresses of servers outside the cluster, for the wire `pod`. */
  WHARF_KUBERNETES_SERVER_CIDRS: z.string().default("").pipe(list).pipe(z.array(cidr)),
  /** Timeout for the start of a runner's pod, in seconds. */
  WHARF_KUBERNETES_START_TIMEOUT: z.coerce.number().int().min(1).max(3_600).default(300),
  /** Maximum number of processors of a runner. */
  REMOTE_CPU_LIMIT: cores,
  /** Maximum memory of a runner. */
  REMOTE_MEMORY_LIMIT: bytes,
  /** Maximum disk of a runner. */
  REMOTE_STORAGE_LIMIT: bytes,
  /**
   * `0` if the cluster's nodes refuse the sysctl `net.ipv4.ip_unprivileged_port_start`, which they
   * allow from Kubernetes 1.22 on. Programs in runners then need proxies to reach hosts.
   */
  WHARF_KUBERNETES_NAMES: z.enum(["0", "1"]).default("1"),
  /** `1` accepts that pods reach their own node, which some network plugins always allow. */
  WHARF_KUBERNETES_NODE_REACHABLE: z.enum(["", "0", "1"]).default("0"),
  /**
   * Addresses as host:port that must not be reachable from a runner, tested in addition to the
   * default ones.
   */
  WHARF_UNREACHABLE: z.string().default("").pipe(list),
};

const Environment = z.object(kubernetesEnvironment);

/** The backend's settings, before the server's identity is known. */
export interface KubernetesConfig {
  readonly cluster: KubernetesBackendOptions["cluster"];
  readonly settings: Omit<KubernetesSettings, "instance" | "image" | keyof DaemonSettings>;
}

export function toKubernetesConfig(e: z.output<typeof Environment>): KubernetesConfig {
  const inCluster = e.KUBERNETES_SERVICE_HOST !== undefined && e.KUBECONFIG === undefined;
  const fixed = e.WHARF_KUBERNETES_NAMESPACE ?? e.KUBERNETES_NAMESPACE;
  const { REMOTE_CPU_LIMIT: cpu, REMOTE_MEMORY_LIMIT: memoryBytes, REMOTE_STORAGE_LIMIT: diskBytes } = e;
  return {
    cluster: {
      inCluster,
      ...(e.KUBECONFIG && { kubeconfig: e.KUBECONFIG }),
      ...(e.WHARF_KUBERNETES_CONTEXT && { context: e.WHARF_KUBERNETES_CONTEXT }),
    },
    settings: {
      namespaces: fixed ? { fixed } : { prefix: e.WHARF_KUBERNETES_NAMESPACE_PREFIX },
      volumes: e.WHARF_KUBERNETES_VOLUMES,
      reserve: e.WHARF_KUBERNETES_RESERVE,
      wire: e.WHARF_KUBERNETES_WIRE === "auto" ? (inCluster ? "pod" : "exec") : e.WHARF_KUBERNETES_WIRE,
      servers: { ...deployedServer, cidrs: e.WHARF_KUBERNETES_SERVER_CIDRS },
      quota: { ...defaultQuota, ...e.WHARF_KUBERNETES_QUOTA },
      unreachable: e.WHARF_UNREACHABLE,
      servesNames: e.WHARF_KUBERNETES_NAMES === "1",
      isNodeReachable: e.WHARF_KUBERNETES_NODE_REACHABLE === "1",
      startMs: e.WHARF_KUBERNETES_START_TIMEOUT * 1000,
      most: { ...(cpu && { cpu }), ...(memoryBytes && { memoryBytes }), ...(diskBytes && { diskBytes }) },
      ...(e.WHARF_KUBERNETES_IMAGE_PULL_SECRET && { imagePullSecret: e.WHARF_KUBERNETES_IMAGE_PULL_SECRET }),
      ...(e.WHARF_KUBERNETES_STORAGE_CLASS && { storageClass: e.WHARF_KUBERNETES_STORAGE_CLASS }),
      ...(e.WHARF_KUBERNETES_RUNTIME_CLASS && { runtimeClass: e.WHARF_KUBERNETES_RUNTIME_CLASS }),
    },
  };
}
