import type { Backend } from "../backend.ts";
import type { KubernetesBackendOptions } from "./settings.ts";

export { defaultQuota, deployedServer, type KubernetesBackendOptions, type KubernetesSettings } from "./settings.ts";

/**
 * Creates a backend for pods of a Kubernetes cluster. The client is loaded here, so that a server
 * without a cluster never loads it.
 */
export async function createKubernetesBackend({ cluster, ...options }: KubernetesBackendOptions): Promise<Backend> {
  const [{ openCluster }, { KubernetesBackend }] = await Promise.all([
    import("./cluster/cluster.ts"),
    import("./kubernetes-backend.ts"),
  ]);
  const { imagePullSecret } = options.settings;
  const opened = await openCluster({ ...cluster, ...(imagePullSecret && { pullSecret: imagePullSecret }) });
  const backend = new KubernetesBackend(opened, options);
  // Report a wrong kubeconfig or an account without rights at the start, not with the first task.
  try {
    for await (const _ of backend.list()) break;
  } catch (error) {
    await backend.close();
    throw error;
  }
  return backend;
}
