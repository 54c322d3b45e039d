import type { V1StatefulSet } from "@kubernetes/client-node";
import type { Cluster } from "./cluster/cluster.ts";
import { annotations, type Labels, reservedLabels, toSelector } from "./objects/labels.ts";
import { isEnding, type PodOwner, PodView } from "./pods/pod-view.ts";
import type { KubernetesSettings } from "./settings.ts";

/** Describes a runner in the cluster: a StatefulSet, which may have no pod, or a bare pod. */
export interface ClusterRunner extends PodOwner {
  readonly kind: "set" | "pod";
  readonly stopped: boolean;
  readonly digest?: string;
  readonly cpuSeconds: number;
}

/**
 * Finds the StatefulSets with these labels in this server's namespaces, and the pods there without
 * a StatefulSet.
 */
export async function findClusterRunners(
  { apps, core }: Cluster,
  { namespaces }: Pick<KubernetesSettings, "namespaces">,
  labels: Labels,
): Promise<Map<string, ClusterRunner>> {
  const labelSelector = toSelector(labels);
  const scope = "fixed" in namespaces ? { namespace: namespaces.fixed, labelSelector } : undefined;
  const [sets, pods] = await Promise.all([
    scope ? apps.listNamespacedStatefulSet(scope) : apps.listStatefulSetForAllNamespaces({ labelSelector }),
    scope ? core.listNamespacedPod(scope) : core.listPodForAllNamespaces({ labelSelector }),
  ]);
  // Anyone who may create objects in another namespace can give them any label.
  const isOwn = (name: string) =>
    "fixed" in namespaces ? name === namespaces.fixed : name.startsWith(namespaces.prefix);
  const runners = new Map<string, ClusterRunner>();
  for (const item of pods.items) {
    const pod = PodView.parse(item);
    const id = pod.metadata.labels[reservedLabels.runner];
    const isOwned = pod.metadata.ownerReferences.length > 0;
    if (id === undefined || isOwned || isEnding(pod) || !isOwn(pod.metadata.namespace)) continue;
    runners.set(id, toPodRunner(id, pod));
  }
  for (const set of sets.items) {
    const id = set.metadata?.labels?.[reservedLabels.runner];
    if (id === undefined || set.metadata?.deletionTimestamp || !isOwn(set.metadata?.namespace ?? "")) continue;
    runners.set(id, toSetRunner(set));
  }
  return runners;
}

/** Asks the cluster for what the server may always read. */
export async function pingCluster(
  { apps }: Pick<Cluster, "apps">,
  { namespaces }: Pick<KubernetesSettings, "namespaces">,
): Promise<void> {
  const limit = 1;
  await ("fixed" in namespaces
    ? apps.listNamespacedStatefulSet({ namespace: namespaces.fixed, limit })
    : apps.listStatefulSetForAllNamespaces({ limit }));
}

export function toSetRunner({ metadata, spec }: V1StatefulSet): ClusterRunner {
  const digest = metadata?.annotations?.[annotations.digest];
  return {
    kind: "set",
    id: metadata?.labels?.[reservedLabels.runner] ?? "",
    namespace: metadata?.namespace ?? "",
    uid: metadata?.uid ?? "",
    stopped: spec?.replicas === 0,
    cpuSeconds: Number(metadata?.annotations?.[annotations.cpuSeconds] ?? 0),
    ...(digest !== undefined && { digest }),
  };
}

const toPodRunner = (id: string, { metadata, status }: PodView): ClusterRunner => ({
  kind: "pod",
  id,
  namespace: metadata.namespace,
  uid: metadata.uid,
  stopped: status.phase === "Succeeded" || status.phase === "Failed",
  cpuSeconds: 0,
});
