import type { V1OwnerReference, V1PersistentVolumeClaim, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import type { RunnerSpec } from "../../backend.ts";
import type { KubernetesSettings } from "../settings.ts";
import { runnerLabels } from "./labels.ts";
import { namesOf } from "./names.ts";
import { inside } from "../../shared/inside.ts";

/** Room for what agents install in their home (G-025). */
const homeBytes = 10 * 1024 ** 3;

/** Whether the runner's disk outlives its pod. */
export const keepsDisk = (spec: Pick<RunnerSpec, "lifetime">, settings: Pick<KubernetesSettings, "volumes">): boolean =>
  settings.volumes === "claim" && spec.lifetime !== "short";

/** The claims of a runner that keeps its disk: one for the workspace and the daemon's state, one for the home. */
export function claimsOf(
  spec: RunnerSpec,
  settings: KubernetesSettings,
  owner: V1OwnerReference,
): V1PersistentVolumeClaim[] {
  const names = namesOf(spec.id);
  const claim = (name: string, bytes: number): V1PersistentVolumeClaim => ({
    metadata: { name, labels: runnerLabels(settings.instance, spec.id), ownerReferences: [owner] },
    spec: {
      accessModes: ["ReadWriteOnce"],
      ...(settings.storageClass !== undefined && { storageClassName: settings.storageClass }),
      resources: { requests: { storage: mebibytes(bytes) } },
    },
  });
  const { diskBytes } = spec.limits;
  return [claim(names.workspace, diskBytes), claim(names.home, Math.min(homeBytes, diskBytes))];
}

/** The disks in the pod's words. What goes with the pod is bounded by size; what is claimed, by the claim. */
export function diskVolumes(spec: RunnerSpec, settings: KubernetesSettings): V1Volume[] {
  const names = namesOf(spec.id);
  if (keepsDisk(spec, settings)) {
    return [
      { name: "workspace", persistentVolumeClaim: { claimName: names.workspace } },
      { name: "home", persistentVolumeClaim: { claimName: names.home } },
    ];
  }
  const sizeLimit = mebibytes(spec.limits.diskBytes);
  return [
    { name: "workspace", emptyDir: { sizeLimit } },
    { name: "home", emptyDir: { sizeLimit: mebibytes(Math.min(homeBytes, spec.limits.diskBytes)) } },
  ];
}

export const diskMounts: readonly V1VolumeMount[] = [
  { name: "workspace", mountPath: inside.workspace, subPath: "workspace" },
  { name: "workspace", mountPath: inside.state, subPath: "state" },
  { name: "home", mountPath: inside.home, subPath: "home" },
];

export const mebibytes = (bytes: number): string => `${Math.max(1, Math.ceil(bytes / 1024 ** 2))}Mi`;
