import type { RunnerSpec } from "../backend.ts";
import type { DaemonSettings } from "../shared/daemon-settings.ts";
import { containerPaths } from "../shared/container-paths.ts";
import type { Log } from "../shared/log.ts";
import { socketName } from "../shared/wire-listener.ts";
import type { ClusterOptions } from "./cluster/cluster.ts";

/** How this backend makes runners; all of it is the same for every runner but what a spec says. */
export interface KubernetesSettings extends DaemonSettings {
  /** Tells the runners of this server, or of the replicas that share a database, from another's in the same cluster. */
  readonly instance: string;
  /** One namespace for all, which is there already; or one for each tenant, made when it is first needed. */
  readonly namespaces: { readonly fixed: string } | { readonly prefix: string };
  readonly image: string;
  readonly imagePullSecret?: string;
  /** Where a runner's disk is: on volumes that outlive its pod, or with its pod. A short runner's always goes with its pod. */
  readonly volumes: "claim" | "ephemeral";
  /** The cluster's default where none is named. */
  readonly storageClass?: string;
  readonly runtimeClass?: string;
  /** What part of its limits a runner reserves; 1 gives it all of them for itself. */
  readonly reserve: number;
  /** How the wire is made: to the pod's address, or through the API by a program started in the pod. */
  readonly wire: "pod" | "exec";
  /** Who may reach a runner's wire where it is made to the pod's address. */
  readonly servers: ServerSelector;
  /** What a tenant's namespace may hold at most, by the names of a ResourceQuota. */
  readonly quota: Readonly<Record<string, string>>;
  /** Addresses, as host:port, that nobody in a runner may reach, beyond those that every runner tries. */
  readonly unreachable: readonly string[];
  /** Whether a runner may reach its own node, as some network plugins always let it. */
  readonly isNodeReachable: boolean;
  /** A runner's limits go no further than this. */
  readonly most: Partial<RunnerSpec["limits"]>;
  /** How long a pod may take from being made to running. */
  readonly startMs: number;
}

export interface KubernetesBackendOptions {
  readonly cluster: ClusterOptions;
  readonly settings: KubernetesSettings;
  /** The key of a runner's wire, in hex. */
  readonly wireKey: (id: string) => string;
  readonly log?: Log;
}

export interface ServerSelector {
  /** Labels of the server's pods and of their namespace. */
  readonly pods: Readonly<Record<string, string>>;
  readonly namespace: Readonly<Record<string, string>>;
  /** Addresses of servers outside the cluster, in CIDR notation. */
  readonly cidrs: readonly string[];
}

/** A namespace's quota (S-046); secrets are counted up, as each runner has one of its own. */
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

/** The labels of a server that `deploy/kubernetes` starts, and of its namespace. */
export const deployedServer: ServerSelector = {
  pods: { "app.kubernetes.io/name": "wharf-server" },
  namespace: { "wharf.dev/role": "server" },
  cidrs: [],
};

/** What the daemon listens on where the wire is made to the pod's address. */
export const wirePort = 4102;
/** Where it listens otherwise. */
export const wireSocket = `${containerPaths.wire}/${socketName}`;

/** Where the daemon's configuration is mounted. */
export const configFolder = "/etc/wharf";
export const configFile = "daemon.json";
