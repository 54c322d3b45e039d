import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Cluster, openCluster } from "../../packages/server/src/backends/kubernetes/cluster/cluster.ts";
import { kubeconfig, kubectl } from "./test-services.ts";

const run = promisify(execFile);

/** Runs kubectl as the cluster's administrator. */
export async function runKubectl(...args: string[]): Promise<string> {
  const options = { maxBuffer: 16 * 1024 * 1024, timeout: 120_000 };
  const { stdout } = await run(kubectl(), ["--kubeconfig", kubeconfig(), ...args], options);
  return stdout;
}

/** Opens the whole API, for objects that a test creates and inspects around the backend. */
export const openAsAdministrator = (): Promise<Cluster> =>
  openCluster({ kubeconfig: kubeconfig(), inCluster: false, allows: () => true });

export async function getNodeName({ core }: Cluster): Promise<string> {
  const [node] = (await core.listNode()).items;
  return node?.metadata?.name ?? "";
}

/**
 * Deletes the namespaces with these labels and this prefix, without waiting for their end: the
 * cluster takes seconds to remove even an empty one, and no other test uses the same names.
 */
export async function deleteNamespaces({ core }: Cluster, labelSelector: string, prefix = ""): Promise<void> {
  const namespaces = (await core.listNamespace({ labelSelector })).items
    .flatMap(({ metadata }) => metadata?.name ?? [])
    .filter((name) => name.startsWith(prefix));
  for (const namespace of namespaces) {
    const { items } = await core.listNamespacedPod({ namespace });
    // Delete the pods without a grace period, which would only delay the end of the namespace.
    for (const pod of items)
      await core
        .deleteNamespacedPod({ namespace, name: pod.metadata?.name ?? "", body: { gracePeriodSeconds: 0 } })
        .catch(() => undefined);
    await core.deleteNamespace({ name: namespace }).catch(() => undefined);
  }
}
