import type { V1StatefulSet } from "@kubernetes/client-node";
import type { RunnerSpec } from "../../backend.ts";
import type { KubernetesSettings } from "../settings.ts";
import { getDigest } from "./digest.ts";
import { annotations, reservedLabels, getRunnerLabels } from "./labels.ts";
import { getObjectNames } from "./names.ts";
import { createPodTemplate } from "./pod.ts";

/**
 * Builds a runner that keeps its disk. Wharf creates it without a pod, so that the StatefulSet can
 * own what the pod needs: even if the server dies in between, all of it is deleted with the
 * StatefulSet. A new image or size waits for the next start.
 */
export function createStatefulSet(spec: RunnerSpec, settings: KubernetesSettings): V1StatefulSet {
  const template = createPodTemplate(spec, settings);
  return {
    metadata: {
      name: getObjectNames(spec.id).runner,
      labels: getRunnerLabels(settings.instance, spec.id),
      annotations: {
        [annotations.digest]: getDigest(template),
        [annotations.createdAt]: new Date().toISOString(),
      },
    },
    spec: {
      replicas: 0,
      // The runner needs no Service: the wire replaces it.
      serviceName: "",
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "OnDelete" },
      selector: { matchLabels: { [reservedLabels.runner]: spec.id, [reservedLabels.instance]: settings.instance } },
      template,
    },
  };
}
