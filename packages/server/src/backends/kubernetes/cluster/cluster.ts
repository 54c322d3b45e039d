import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { ClientOptions } from "ws";
import type { AppsV1Api, CoreV1Api, KubeConfig, NetworkingV1Api, Watch } from "@kubernetes/client-node";
import { WharfError } from "@wharf/contract";
import type { ApiCall } from "./api-call.ts";
import { isPermitted } from "./permissions.ts";
import { Transport } from "./transport.ts";

export interface ClusterOptions {
  /** A kubeconfig file. Without it: the account of the pod this runs in, or else `~/.kube/config`. */
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Whether this process runs in a pod of the cluster. */
  readonly inCluster: boolean;
  /** The one Secret that may be read, in the server's own namespace. */
  readonly pullSecret?: string;
  /** What may be asked of the API; without it, what the roles in `deploy/kubernetes` grant. */
  readonly allows?: (call: ApiCall) => boolean;
  readonly onCall?: (call: ApiCall) => void;
}

/** The client's APIs over one transport, and what streams need. */
export interface Cluster {
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly networking: NetworkingV1Api;
  readonly watch: Watch;
  /** `https://…`, for messages and for streams. */
  readonly address: string;
  /** The same for everyone who uses the cluster, under whatever address: made from its certificate authority. */
  readonly identity: string;
  readonly inCluster: boolean;
  /** The server's own namespace: of the pod it runs in, or of the kubeconfig's context. */
  readonly namespace: string;
  /** What a WebSocket to the API server has to show. */
  streamOptions(): Promise<ClientOptions>;
  /** Told of calls that do not go through the client's APIs. */
  recordCall(call: ApiCall): void;
  close(): void;
}

/** The client is large, so it is loaded when a cluster is used and not before. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const client = await import("@kubernetes/client-node");
  const config = new client.KubeConfig();
  loadConfig(config, options);
  const address = config.getCurrentCluster()?.server.replace(/\/+$/, "");
  if (address === undefined) throw createConfigError(options, "it names no cluster for its current context");
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
  const isPullSecret = ({ verb, resource, ...call }: ApiCall) =>
    verb === "get" && resource === "secrets" && call.namespace === namespace && call.name === options.pullSecret;
  const transport = new Transport({
    config,
    Response: client.ResponseContext,
    allows: options.allows ?? ((call) => isPermitted(call) || isPullSecret(call)),
    ...(options.onCall && { onCall: options.onCall }),
  });
  const configuration = client.createConfiguration({
    baseServer: new client.ServerConfiguration(address, {}),
    httpApi: client.wrapHttpLibrary(transport),
  });
  return {
    core: new client.CoreV1Api(configuration),
    apps: new client.AppsV1Api(configuration),
    networking: new client.NetworkingV1Api(configuration),
    watch: new client.Watch(config),
    address,
    identity: getClusterIdentity(config, address),
    inCluster: options.inCluster,
    namespace,
    async streamOptions() {
      const stream: ClientOptions = {};
      await config.applyToHTTPSOptions(stream);
      return stream;
    },
    recordCall: (call) => options.onCall?.(call),
    close: () => transport.close(),
  };
}

function getClusterIdentity(config: KubeConfig, address: string): string {
  const { caData, caFile } = config.getCurrentCluster() ?? {};
  const authority = caData ? Buffer.from(caData, "base64") : caFile ? readFileSync(caFile) : address;
  return createHash("sha256").update(authority.toString().trim()).digest("hex").slice(0, 16);
}

function loadConfig(config: KubeConfig, options: ClusterOptions): void {
  try {
    if (options.kubeconfig === undefined && options.inCluster) config.loadFromCluster();
    else config.loadFromFile(getConfigFile(options));
    if (options.context !== undefined) config.setCurrentContext(options.context);
  } catch (error) {
    throw createConfigError(options, error instanceof Error ? error.message : String(error), error);
  }
}

function getConfigFile({ kubeconfig }: ClusterOptions): string {
  const file = kubeconfig ?? join(homedir(), ".kube", "config");
  if (existsSync(file)) return file;
  throw new Error(
    kubeconfig === undefined ? `no cluster is named and there is no ${file}` : `there is no file ${file}`,
  );
}

const createConfigError = ({ kubeconfig }: ClusterOptions, reason: string, cause?: unknown) =>
  new WharfError(
    "config_invalid",
    { name: "KUBECONFIG", reason: kubeconfig === undefined ? reason : `${kubeconfig}: ${reason}` },
    { cause },
  );
