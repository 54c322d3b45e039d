import type { Backend } from "../backend.ts";
import type { KubernetesBackendOptions } from "./settings.ts";

export { defaultQuota, deployedServer, type KubernetesBackendOptions, type KubernetesSettings } from "./settings.ts";

/** Runners in pods of a Kubernetes cluster. The client is loaded here, so that a server without a cluster never does. */
export async function createKubernetesBackend({ cluster, ...options }: KubernetesBackendOptions): Promise<Backend> {
  const [{ openCluster }, { KubernetesBackend }] = await Promise.all([
    import("./cluster/cluster.ts"),
    import("./kubernetes-backend.ts"),
  ]);
  const { imagePullSecret } = options.settings;
  const opened = await openCluster({ ...cluster, ...(imagePullSecret && { pullSecret: imagePullSecret }) });
  const backend = new KubernetesBackend(opened, options);
  // A kubeconfig that is wrong, or an account that may do nothing, is told of at the start and not with the first task.
  try {
    for await (const _ of backend.list()) break;
  } catch (error) {
    await backend.close();
    throw error;
  }
  return backend;
}
