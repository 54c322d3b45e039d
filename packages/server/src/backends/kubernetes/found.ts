import type { V1StatefulSet } from "@kubernetes/client-node";
import type { Cluster } from "./cluster/cluster.ts";
import { annotations, type Labels, reserved, selectorOf } from "./objects/labels.ts";
import { isEnding, PodView } from "./pods/pod-view.ts";
import type { KubernetesSettings } from "./settings.ts";

/** What a runner is in the cluster: a StatefulSet, which may have no pod, or a pod alone. */
export interface Found {
  readonly kind: "set" | "pod";
  readonly namespace: string;
  readonly stopped: boolean;
  readonly uid: string;
  readonly digest?: string;
  readonly cpuSeconds: number;
}

/** The StatefulSets with these labels, and the pods that belong to none. */
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
  const found = new Map<string, Found>();
  for (const item of pods.items) {
    const pod = PodView.parse(item);
    const id = pod.metadata.labels[reserved.runner];
    if (id !== undefined && pod.metadata.ownerReferences.length === 0 && !isEnding(pod)) found.set(id, podFound(pod));
  }
  for (const set of sets.items) {
    const id = set.metadata?.labels?.[reserved.runner];
    if (id !== undefined && !set.metadata?.deletionTimestamp) found.set(id, setFound(set));
  }
  return found;
}

export function setFound({ metadata, spec }: V1StatefulSet): Found {
  const digest = metadata?.annotations?.[annotations.digest];
  return {
    kind: "set",
    namespace: metadata?.namespace ?? "",
    uid: metadata?.uid ?? "",
    stopped: spec?.replicas === 0,
    cpuSeconds: Number(metadata?.annotations?.[annotations.cpuSeconds] ?? 0),
    ...(digest !== undefined && { digest }),
  };
}

const podFound = ({ metadata, status }: PodView): Found => ({
  kind: "pod",
  namespace: metadata.namespace,
  uid: metadata.uid,
  stopped: status.phase === "Succeeded" || status.phase === "Failed",
  cpuSeconds: 0,
});
