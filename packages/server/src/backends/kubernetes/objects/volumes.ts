import type { V1OwnerReference, V1PersistentVolumeClaim, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import type { RunnerSpec } from "../../backend.ts";
import { containerPaths } from "../../shared/container-paths.ts";
import type { KubernetesSettings } from "../settings.ts";
import { getRunnerLabels } from "./labels.ts";
import { getObjectNames } from "./names.ts";

/** Agents install their tools in their home (G-025). */
const homeBytes = 10 * 1024 ** 3;

/** Returns whether the runner's disk outlives its pod. */
export const hasPersistentDisk = (
  spec: Pick<RunnerSpec, "lifetime">,
  settings: Pick<KubernetesSettings, "volumes">,
): boolean => settings.volumes === "claim" && spec.lifetime !== "short";

/**
 * Builds the claims of a runner that keeps its disk: one for the workspace and the daemon's state,
 * one for the home.
 */
export function createClaims(
  spec: RunnerSpec,
  settings: KubernetesSettings,
  owner: V1OwnerReference,
): V1PersistentVolumeClaim[] {
  const names = getObjectNames(spec.id);
  const createClaim = (name: string, bytes: number): V1PersistentVolumeClaim => ({
    metadata: { name, labels: getRunnerLabels(settings.instance, spec.id), ownerReferences: [owner] },
    spec: {
      accessModes: ["ReadWriteOnce"],
      ...(settings.storageClass !== undefined && { storageClassName: settings.storageClass }),
      resources: { requests: { storage: toMebibytes(bytes) } },
    },
  });
  const { diskBytes } = spec.limits;
  return [createClaim(names.workspace, diskBytes), createClaim(names.home, Math.min(homeBytes, diskBytes))];
}

/**
 * Describes the disks as the pod's volumes. A size limits volumes that go with the pod; the claim
 * limits claimed ones.
 */
export function createDiskVolumes(spec: RunnerSpec, settings: KubernetesSettings): V1Volume[] {
  const names = getObjectNames(spec.id);
  if (hasPersistentDisk(spec, settings)) {
    return [
      { name: "workspace", persistentVolumeClaim: { claimName: names.workspace } },
      { name: "home", persistentVolumeClaim: { claimName: names.home } },
    ];
  }
  const sizeLimit = toMebibytes(spec.limits.diskBytes);
  return [
    { name: "workspace", emptyDir: { sizeLimit } },
    { name: "home", emptyDir: { sizeLimit: toMebibytes(Math.min(homeBytes, spec.limits.diskBytes)) } },
  ];
}

export const diskMounts: readonly V1VolumeMount[] = [
  { name: "workspace", mountPath: containerPaths.workspace, subPath: "workspace" },
  { name: "workspace", mountPath: containerPaths.state, subPath: "state" },
  { name: "home", mountPath: containerPaths.home, subPath: "home" },
];

export const toMebibytes = (bytes: number): string => `${Math.max(1, Math.ceil(bytes / 1024 ** 2))}Mi`;
