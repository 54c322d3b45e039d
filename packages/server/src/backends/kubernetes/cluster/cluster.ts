import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { AppsV1Api, CoreV1Api, KubeConfig, NetworkingV1Api, Watch } from "@kubernetes/client-node";
import { WharfError } from "@wharf/contract";
import type { ClientOptions } from "ws";
import { getErrorMessage } from "../../../std/errors.ts";
import { getHash } from "../../../std/hash.ts";
import type { ApiCall } from "./api-call.ts";
import { isPermitted } from "./permissions.ts";
import { Transport } from "./transport.ts";

export interface ClusterOptions {
  /**
   * Names a kubeconfig file. Defaults to the account of the pod that this process runs in, then to
   * `~/.kube/config`.
   */
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Whether this process runs in a pod of the cluster. */
  readonly inCluster: boolean;
  /** Names the only Secret that Wharf may read, in the server's own namespace. */
  readonly pullSecret?: string;
  /**
   * Decides which calls may reach the API. Defaults to what the roles in `deploy/kubernetes` grant.
   */
  readonly allows?: (call: ApiCall) => boolean;
  readonly onCall?: (call: ApiCall) => void;
}

/** Combines the client's APIs over one transport with what streams need. */
export interface Cluster {
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly networking: NetworkingV1Api;
  readonly watch: Watch;
  /** Holds `https://…`, for messages and for streams. */
  readonly address: string;
  /**
   * Identifies the cluster for all its users, under every address: Wharf derives it from the
   * certificate authority.
   */
  readonly identity: string;
  readonly inCluster: boolean;
  /** Names the server's own namespace: that of its pod, or of the kubeconfig's context. */
  readonly namespace: string;
  /** Returns the credentials for a WebSocket to the API server. */
  streamOptions(): Promise<ClientOptions>;
  /** Records a call that does not go through the client's APIs. */
  recordCall(call: ApiCall): void;
  close(): void;
}

/** The client is large, so it is loaded only when a cluster is used. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const client = await import("@kubernetes/client-node");
  const config = new client.KubeConfig();
  loadConfig(config, options);
  const address = config.getCurrentCluster()?.server.replace(/\/+$/, "");
  if (address === undefined) throw createConfigError(options, "it has no cluster for its current context");
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
  return getHash(authority.toString().trim()).slice(0, 16);
}

function loadConfig(config: KubeConfig, options: ClusterOptions): void {
  try {
    if (options.kubeconfig === undefined && options.inCluster) config.loadFromCluster();
    else config.loadFromFile(getConfigFile(options));
    if (options.context !== undefined) config.setCurrentContext(options.context);
  } catch (error) {
    throw createConfigError(options, getErrorMessage(error), error);
  }
}

function getConfigFile({ kubeconfig }: ClusterOptions): string {
  const file = kubeconfig ?? join(homedir(), ".kube", "config");
  if (existsSync(file)) return file;
  throw new Error(
    kubeconfig === undefined
      ? `no cluster is configured and ${file} does not exist`
      : `the file ${file} does not exist`,
  );
}

const createConfigError = ({ kubeconfig }: ClusterOptions, reason: string, cause?: unknown) =>
  new WharfError(
    "config_invalid",
    { name: "KUBECONFIG", reason: kubeconfig === undefined ? reason : `${kubeconfig}: ${reason}` },
    { cause },
  );
