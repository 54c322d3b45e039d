import type { RunnerSpec } from "../backend.ts";
import { defaultQuota, deployedServer, type KubernetesSettings } from "./settings.ts";

export const someSpec: RunnerSpec = {
  id: "3f0c0b1e-0000-4000-8000-000000000001",
  wireKey: "ab".repeat(32),
  limits: { cpu: 2, memoryBytes: 4 * 1024 ** 3, diskBytes: 50 * 1024 ** 3, processes: 1_024 },
  programs: [],
};

export const someSettings: KubernetesSettings = {
  instance: "0123456789ab",
  namespaces: { prefix: "client-" },
  image: "wharf-runner:latest",
  volumes: "claim",
  reserve: 1,
  wire: "exec",
  servers: deployedServer,
  quota: defaultQuota,
  unreachable: [],
  most: {},
  startMs: 300_000,
};

/** Every way in which specs and settings can differ that shows in what is emitted. */
export function* variants(): Generator<{ spec: RunnerSpec; settings: KubernetesSettings }> {
  const hostileLabels = {
    "app.kubernetes.io/managed-by": "someone",
    "wharf.dev/runner": "another",
    "wharf.dev/instance": "another",
    "pod-security.kubernetes.io/enforce": "privileged",
    "sub.k8s.io/x": "y",
    "not a label!": "x",
    team: "blue",
  };
  const specs: Partial<RunnerSpec>[] = [
    {},
    { lifetime: "short" },
    { lifetime: "long" },
    { image: "registry.example/agent:1" },
    { tenant: "Acme & Sons", labels: hostileLabels },
    { limits: { cpu: 0.1, memoryBytes: 64 * 1024 ** 2, diskBytes: 1024 ** 3, processes: 1 } },
  ];
  const settings: Partial<KubernetesSettings>[] = [
    {},
    { volumes: "ephemeral" },
    { wire: "pod" },
    { runtimeClass: "gvisor", storageClass: "efs-sc", imagePullSecret: "registry" },
    { namespaces: { fixed: "agents" } },
    { reserve: 0.1, unreachable: ["10.0.0.1:22"] },
  ];
  for (const one of specs)
    for (const other of settings) yield { spec: { ...someSpec, ...one }, settings: { ...someSettings, ...other } };
}
