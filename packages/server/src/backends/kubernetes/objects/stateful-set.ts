import type { V1StatefulSet } from "@kubernetes/client-node";
import type { RunnerSpec } from "../../backend.ts";
import type { KubernetesSettings } from "../settings.ts";
import { digestOf } from "./digest.ts";
import { annotations, reserved, runnerLabels } from "./labels.ts";
import { namesOf } from "./names.ts";
import { podTemplate } from "./pod.ts";

/**
 * A runner that keeps its disk. It is made without a pod, so that what the pod needs can be made as its own: whatever
 * becomes of the server in between, all of it goes with the StatefulSet. A new image or size waits for the next start.
 */
export function statefulSet(spec: RunnerSpec, settings: KubernetesSettings): V1StatefulSet {
  const template = podTemplate(spec, settings);
  return {
    metadata: {
      name: namesOf(spec.id).runner,
      labels: runnerLabels(settings.instance, spec.id),
      annotations: {
        [annotations.digest]: digestOf(template),
        [annotations.createdAt]: new Date().toISOString(),
      },
    },
    spec: {
      replicas: 0,
      // No Service is made: the wire takes its place.
      serviceName: "",
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "OnDelete" },
      selector: { matchLabels: { [reserved.runner]: spec.id, [reserved.instance]: settings.instance } },
      template,
    },
  };
}
