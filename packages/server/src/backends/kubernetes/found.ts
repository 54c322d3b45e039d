import type { V1StatefulSet } from "@kubernetes/client-node";
import type { Cluster } from "./cluster/cluster.ts";
import { annotations, type Labels, reserved, selectorOf } from "./objects/labels.ts";
import { isEnding, type PodOwner, PodView } from "./pods/pod-view.ts";
import type { KubernetesSettings } from "./settings.ts";

/** What a runner is in the cluster: a StatefulSet, which may have no pod, or a pod alone. */
export interface Found extends PodOwner {
  readonly kind: "set" | "pod";
  readonly stopped: boolean;
  readonly digest?: string;
  readonly cpuSeconds: number;
}

/** The StatefulSets with these labels in namespaces of this server, and the pods there that belong to none. */
export async function search(
  { apps, core }: Cluster,
  { namespaces }: Pick<KubernetesSettings, "namespaces">,
  labels: Labels,
): Promise<Map<string, Found>> {
  const labelSelector = selectorOf(labels);
  const at = "fixed" in namespaces ? { namespace: namespaces.fixed, labelSelector } : undefined;
  const [sets, pods] = await Promise.all([
    at ? apps.listNamespacedStatefulSet(at) : apps.listStatefulSetForAllNamespaces({ labelSelector }),
    at ? core.listNamespacedPod(at) : core.listPodForAllNamespaces({ labelSelector }),
  ]);
  // Whoever may create objects elsewhere can give them any label.
  const isOwn = (name: string) =>
    "fixed" in namespaces ? name === namespaces.fixed : name.startsWith(namespaces.prefix);
  const found = new Map<string, Found>();
  for (const item of pods.items) {
    const pod = PodView.parse(item);
    const id = pod.metadata.labels[reserved.runner];
    const isOwned = pod.metadata.ownerReferences.length > 0;
    if (id === undefined || isOwned || isEnding(pod) || !isOwn(pod.metadata.namespace)) continue;
    found.set(id, podFound(id, pod));
  }
  for (const set of sets.items) {
    const id = set.metadata?.labels?.[reserved.runner];
    if (id === undefined || set.metadata?.deletionTimestamp || !isOwn(set.metadata?.namespace ?? "")) continue;
    found.set(id, setFound(set));
  }
  return found;
}

export function setFound({ metadata, spec }: V1StatefulSet): Found {
  const digest = metadata?.annotations?.[annotations.digest];
  return {
    kind: "set",
    id: metadata?.labels?.[reserved.runner] ?? "",
    namespace: metadata?.namespace ?? "",
    uid: metadata?.uid ?? "",
    stopped: spec?.replicas === 0,
    cpuSeconds: Number(metadata?.annotations?.[annotations.cpuSeconds] ?? 0),
    ...(digest !== undefined && { digest }),
  };
}

const podFound = (id: string, { metadata, status }: PodView): Found => ({
  kind: "pod",
  id,
  namespace: metadata.namespace,
  uid: metadata.uid,
  stopped: status.phase === "Succeeded" || status.phase === "Failed",
  cpuSeconds: 0,
});
