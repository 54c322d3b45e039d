import type { RunnerPlace } from "@wharf/contract";
import type { RunnerSpec } from "../backend.ts";
import { containerPaths } from "../shared/container-paths.ts";
import type { DaemonSettings } from "../shared/daemon-settings.ts";
import type { Log } from "../shared/log.ts";
import { socketName } from "../shared/wire-listener.ts";
import type { ClusterOptions } from "./cluster/cluster.ts";

/** Configures how this backend creates runners; only the spec differs between runners. */
export interface KubernetesSettings extends DaemonSettings {
  /**
   * Distinguishes the runners of this server, or of the replicas that share a database, from
   * another's in the same cluster.
   */
  readonly instance: string;
  /**
   * Names one existing namespace for all runners, or the prefix of a namespace per tenant, which
   * Wharf creates on first use.
   */
  readonly namespaces: { readonly fixed: string } | { readonly prefix: string };
  readonly image: string;
  readonly imagePullSecret?: string;
  /**
   * Places a runner's disk on volumes that outlive its pod, or in its pod. A short runner's disk
   * always goes with its pod.
   */
  readonly volumes: "claim" | "ephemeral";
  /** Defaults to the cluster's default class. */
  readonly storageClass?: string;
  readonly runtimeClass?: string;
  /** Sets the share of its limits that a runner reserves; 1 reserves all of them. */
  readonly reserve: number;
  /** Connects the wire to the pod's address, or through the API to a program started in the pod. */
  readonly wire: "pod" | "exec";
  /** Selects who may reach a runner's wire at the pod's address. */
  readonly servers: ServerSelector;
  /** Limits what a tenant's namespace may hold, by the names of a ResourceQuota. */
  readonly quota: Readonly<Record<string, string>>;
  /**
   * Lists addresses, as host:port, that a runner must not reach, in addition to those that every
   * runner tries.
   */
  readonly unreachable: readonly string[];
  /** Whether a runner may reach its own node, as some network plugins always allow. */
  readonly isNodeReachable: boolean;
  /**
   * Whether daemons serve names: their pods set a sysctl that nodes allow from Kubernetes 1.22 on.
   */
  readonly servesNames: boolean;
  /** A runner's limits never exceed these. */
  readonly most: Partial<RunnerSpec["limits"]>;
  /** A pod may take this long from its creation until it runs. */
  readonly startMs: number;
}

export interface KubernetesBackendOptions {
  readonly cluster: ClusterOptions;
  readonly settings: KubernetesSettings;
  /** Returns the key of a runner's wire, in hex. */
  readonly wireKey: (id: string) => string;
  readonly log?: Log;
  /** Receives the place of a runner before it starts there. */
  readonly onPlaced?: (spec: Pick<RunnerSpec, "id" | "tenant">, place: RunnerPlace) => Promise<void>;
}

export interface ServerSelector {
  /** Selects the server's pods by their labels and those of their namespace. */
  readonly pods: Readonly<Record<string, string>>;
  readonly namespace: Readonly<Record<string, string>>;
  /** Lists the addresses of servers outside the cluster, in CIDR notation. */
  readonly cidrs: readonly string[];
}

/**
 * A namespace's quota (S-046) allows more secrets than pods, because each runner has its own
 * secret.
 */
export const defaultQuota: KubernetesSettings["quota"] = {
  pods: "50",
  "requests.cpu": "20",
  "requests.memory": "40Gi",
  "limits.cpu": "50",
  "limits.memory": "100Gi",
  persistentvolumeclaims: "100",
  "requests.storage": "1000Gi",
  services: "50",
  configmaps: "10",
  secrets: "60",
};

/** A server that `deploy/kubernetes` starts has these labels, and so does its namespace. */
export const deployedServer: ServerSelector = {
  pods: { "app.kubernetes.io/name": "wharf-server" },
  namespace: { "wharf.dev/role": "server" },
  cidrs: [],
};

/** The daemon listens on this port if the wire connects to the pod's address. */
export const wirePort = 4102;
/** The daemon listens on this socket otherwise. */
export const wireSocket = `${containerPaths.wire}/${socketName}`;

/** The pod mounts the daemon's configuration here. */
export const configFolder = "/etc/wharf";
export const configFile = "daemon.json";
