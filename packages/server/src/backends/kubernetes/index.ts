import type { Backend } from "../backend.ts";
import type { Log } from "../shared/log.ts";
import type { ClusterOptions } from "./cluster/cluster.ts";
import type { KubernetesSettings } from "./settings.ts";

export type { ClusterOptions } from "./cluster/cluster.ts";
export { defaultQuota, deployedServer, type KubernetesSettings } from "./settings.ts";

export interface KubernetesBackendOptions {
  readonly cluster: ClusterOptions;
  readonly settings: KubernetesSettings;
  readonly log?: Log;
}

/** Runners in pods of a Kubernetes cluster. The client is loaded here, so that a server without a cluster never does. */
export async function createKubernetesBackend({ cluster, settings, log }: KubernetesBackendOptions): Promise<Backend> {
  const [{ openCluster }, { KubernetesBackend }] = await Promise.all([
    import("./cluster/cluster.ts"),
    import("./kubernetes-backend.ts"),
  ]);
  const { imagePullSecret } = settings;
  const opened = await openCluster({ ...cluster, ...(imagePullSecret && { pullSecret: imagePullSecret }) });
  const backend = new KubernetesBackend(opened, settings, log);
  // A kubeconfig that is wrong, or an account that may do nothing, is told of at the start and not with the first task.
  try {
    for await (const _ of backend.list()) break;
  } catch (error) {
    await backend.close();
    throw error;
  }
  return backend;
}
