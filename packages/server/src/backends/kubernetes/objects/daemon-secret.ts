import type { V1OwnerReference, V1Secret } from "@kubernetes/client-node";
import type { DaemonConfig } from "@wharf/contract";
import type { RunnerSpec } from "../../backend.ts";
import { containerPaths } from "../../shared/container-paths.ts";
import { getDaemonSettings } from "../../shared/daemon-settings.ts";
import { configFile, type KubernetesSettings, wirePort, wireSocket } from "../settings.ts";
import { getRunnerLabels } from "./labels.ts";
import { getObjectNames } from "./names.ts";

/**
 * Runners must not reach these addresses. Names in `${…}` are variables of the daemon's
 * environment, where the kubelet writes the API server's address and the pod requests its node's.
 */
const alwaysUnreachable = ["${KUBERNETES_SERVICE_HOST}:${KUBERNETES_SERVICE_PORT}", "169.254.169.254:80"];
const kubelet = "${WHARF_NODE_ADDRESS}:10250";

/**
 * Builds the Secret with the daemon's configuration and the key of its wire. Only the runner's pod
 * mounts it, and it is deleted with its owner.
 */
export function createDaemonSecret(spec: RunnerSpec, settings: KubernetesSettings, owner: V1OwnerReference): V1Secret {
  return {
    metadata: {
      name: getObjectNames(spec.id).secret,
      labels: getRunnerLabels(settings.instance, spec.id),
      ownerReferences: [owner],
    },
    type: "Opaque",
    stringData: { [configFile]: JSON.stringify(createDaemonConfig(spec, settings)) },
  };
}

function createDaemonConfig(spec: RunnerSpec, settings: KubernetesSettings): DaemonConfig {
  return {
    runner_id: spec.id,
    wire_key: spec.wireKey,
    wire: settings.wire === "pod" ? { by: "port", port: wirePort } : { by: "listen", path: wireSocket },
    workspace: containerPaths.workspace,
    home: containerPaths.home,
    state: containerPaths.state,
    relay_port: 4100,
    isolation: "container",
    serves_names: settings.servesNames,
    ...getDaemonSettings(settings),
    isolation_check: {
      targets: [...alwaysUnreachable, ...(settings.isNodeReachable ? [] : [kubelet]), ...settings.unreachable],
    },
  };
}
