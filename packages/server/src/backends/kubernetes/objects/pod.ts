import type { V1Container, V1Pod, V1PodSpec, V1PodTemplateSpec } from "@kubernetes/client-node";
import { defaultStopGraceMs } from "@wharf/contract";
import type { RunnerSpec } from "../../backend.ts";
import { containerPaths } from "../../shared/container-paths.ts";
import { configFile, configFolder, type KubernetesSettings, wirePort } from "../settings.ts";
import { annotations, keepNodeAnnotations, getRunnerLabels, getTenantLabels } from "./labels.ts";
import { accountName, getObjectNames } from "./names.ts";
import { diskMounts, createDiskVolumes, hasPersistentDisk, toMebibytes } from "./volumes.ts";

/** The daemon flushes its journal and commits uncommitted work within this time. */
export const getStopSeconds = ({ stopGraceMs = defaultStopGraceMs }: KubernetesSettings): number =>
  Math.ceil(stopGraceMs / 1_000);
/**
 * Pods of an unreachable node are evicted after this time, instead of the cluster's five minutes.
 */
const nodeAwaySeconds = 30;
const runnerUserId = 1000;
/**
 * Programs may leave this much in /tmp, in addition to the spec's disk; it is deleted with the pod.
 */
const tmpBytes = 2 * 1024 ** 3;

/**
 * Builds a runner's pod: it meets the restricted Pod Security Standard and has no network except
 * the wire. There are no probes: the server checks its wire to the daemon every second, and a
 * program started every few seconds in every pod would cost more than it reveals.
 */
export function createPodTemplate(spec: RunnerSpec, settings: KubernetesSettings): V1PodTemplateSpec {
  return { metadata: createPodMetadata(spec, settings), spec: createPodSpec(spec, settings) };
}

/** Builds a runner without a controller: its disk is deleted with it. */
export function createBarePod(spec: RunnerSpec, settings: KubernetesSettings): V1Pod {
  const metadata = { ...createPodMetadata(spec, settings), name: getObjectNames(spec.id).runner };
  return { metadata, spec: createPodSpec(spec, settings) };
}

const createPodMetadata = (spec: RunnerSpec, settings: KubernetesSettings) => ({
  labels: { ...getTenantLabels(spec.labels), ...getRunnerLabels(settings.instance, spec.id) },
  annotations: { ...keepNodeAnnotations, [annotations.wire]: settings.wire === "pod" ? "tls" : "socket" },
});

function createPodSpec(spec: RunnerSpec, settings: KubernetesSettings): V1PodSpec {
  return {
    serviceAccountName: accountName,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // The daemon serves names, where it can, on the pod's own loopback interface.
    dnsPolicy: "None",
    dnsConfig: { nameservers: ["127.0.0.1"] },
    hostname: "runner",
    // The sandbox's first process then reaps processes that agents leave behind.
    shareProcessNamespace: true,
    restartPolicy: "Always",
    terminationGracePeriodSeconds: getStopSeconds(settings),
    ...(settings.runtimeClass !== undefined && { runtimeClassName: settings.runtimeClass }),
    ...(settings.imagePullSecret !== undefined && { imagePullSecrets: [{ name: settings.imagePullSecret }] }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: runnerUserId,
      runAsGroup: runnerUserId,
      fsGroup: runnerUserId,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
      ...(settings.servesNames && { sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }] }),
    },
    tolerations: ["not-ready", "unreachable"].map((what) => ({
      key: `node.kubernetes.io/${what}`,
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: nodeAwaySeconds,
    })),
    containers: [createContainer(spec, settings)],
    volumes: [
      ...createDiskVolumes(spec, settings),
      { name: "tmp", emptyDir: { sizeLimit: toMebibytes(tmpBytes) } },
      { name: "run", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
      { name: "config", secret: { secretName: getObjectNames(spec.id).secret, defaultMode: 0o440 } },
    ],
  };
}

export const containerName = "runner";

function createContainer(spec: RunnerSpec, settings: KubernetesSettings): V1Container {
  const { cpu, memoryBytes, diskBytes } = spec.limits;
  const toMillicores = (part: number) => `${Math.max(1, Math.ceil(cpu * part * 1000))}m`;
  // Covers writes beside the claims, and the whole disk where there are none; the image's own
  // layers are read-only.
  const scratch = toMebibytes(tmpBytes + (hasPersistentDisk(spec, settings) ? 0 : 2 * diskBytes));
  return {
    name: containerName,
    image: spec.image ?? settings.image,
    imagePullPolicy: "IfNotPresent",
    command: [containerPaths.node, "--max-semi-space-size=2", `${containerPaths.kit}/lib/wharf-daemon.mjs`],
    args: ["--config", `${configFolder}/${configFile}`],
    workingDir: containerPaths.workspace,
    env: [
      { name: "HOME", value: containerPaths.home },
      { name: "WHARF_RUNNER_ID", value: spec.id },
      { name: "WHARF_NODE_ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } },
    ],
    ...(settings.wire === "pod" && { ports: [{ name: "wire", containerPort: wirePort, protocol: "TCP" }] }),
    resources: {
      limits: { cpu: toMillicores(1), memory: toMebibytes(memoryBytes), "ephemeral-storage": scratch },
      requests: {
        cpu: toMillicores(settings.reserve),
        memory: toMebibytes(memoryBytes * settings.reserve),
        "ephemeral-storage": "64Mi",
      },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      ...diskMounts,
      { name: "tmp", mountPath: "/tmp" },
      { name: "run", mountPath: containerPaths.wire },
      { name: "config", mountPath: configFolder, readOnly: true },
    ],
  };
}
