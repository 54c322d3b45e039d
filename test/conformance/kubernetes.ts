import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createKubernetesBackend,
  defaultQuota,
  deployedServer,
  type KubernetesSettings,
} from "../../packages/server/src/backends/index.ts";
import { ensureInCluster } from "../../scripts/test-services/images/cluster.ts";
import { buildImage, hashParts, hasImage } from "../../scripts/test-services/images/docker.ts";
import { HostileKit } from "../support/hostile/kit.ts";
import { openAsAdministrator, runKubectl, getNodeName, deleteNamespaces } from "../support/kubernetes.ts";
import { LocalVolumes } from "../support/local-volumes.ts";
import { ensureClusterImage, kubeconfig } from "../support/test-services.ts";
import type { BackendUnderTest, BackendHarness } from "./backend-under-test.ts";
import { keys } from "./conformance-harness.ts";

type Choice = Pick<KubernetesSettings, "wire" | "volumes">;

/** Pods of a real cluster; each harness has its own namespaces and volumes. */
async function open(folder: string, choice: Choice): Promise<BackendHarness> {
  const instance = createHash("sha256").update(folder).digest("hex").slice(0, 12);
  const image = ensureClusterImage("runner");
  const admin = await openAsAdministrator();
  const storageClass = `wharf-test-${instance}`;
  const disks = join(folder, "volumes");
  mkdirSync(disks, { recursive: true });
  // The kubelet must pass through these folders to reach the volumes.
  for (const path of [folder, disks]) chmodSync(path, 0o755);
  let mode = "good";
  const hostile = new Map<string, string>();
  const volumes = new LocalVolumes({
    cluster: admin,
    storageClass,
    folder: disks,
    node: await getNodeName(admin),
    prepare(claim, path) {
      const chosen = hostile.get(claim);
      if (chosen === undefined) return;
      mkdirSync(join(path, "state"), { mode: 0o777 });
      writeFileSync(join(path, "state", "mode"), chosen, { mode: 0o666 });
    },
  });
  const settings: KubernetesSettings = {
    ...choice,
    instance,
    namespaces: { prefix: `wharf-test-${instance}-` },
    image,
    storageClass,
    // Many runners share a machine with two processors here.
    reserve: 0.02,
    servers: { ...deployedServer, cidrs: ["0.0.0.0/0"] },
    quota: defaultQuota,
    unreachable: [],
    isNodeReachable: false,
    servesNames: true,
    // A hostile daemon uses the whole grace period every time.
    stopGraceMs: 5_000,
    most: {},
    startMs: 60_000,
  };
  const backend = await createKubernetesBackend({
    cluster: { kubeconfig: kubeconfig(), inCluster: false },
    settings,
    wireKey: (id) => keys.getWireKey(id),
  });
  const { create } = backend;
  backend.create = async (spec, signal) => {
    if (mode === "good") return create.call(backend, spec, signal);
    hostile.set(`workspace-${spec.id}`, mode);
    hostileImage ??= buildHostileImage(image);
    return create.call(backend, { ...spec, image: await hostileImage }, signal);
  };
  return {
    backend,
    async killDaemon(id) {
      const namespace = `wharf-test-${instance}-default`;
      const pod = choice.volumes === "claim" ? `runner-${id}-0` : `runner-${id}`;
      await runKubectl("exec", "--namespace", namespace, pod, "--", "pkill", "-KILL", "-f", "wharf-daemon.mjs").catch(
        (error: unknown) => {
          // The killing program dies together with the processes that it kills.
          if (!String(error).includes("137")) throw error;
        },
      );
    },
    async setMode(how) {
      mode = how;
    },
    async [Symbol.asyncDispose]() {
      await backend.close();
      await deleteNamespaces(admin, `wharf.dev/instance=${instance}`);
      await volumes[Symbol.asyncDispose]();
      admin.close();
    },
  };
}

let hostileImage: Promise<string> | undefined;

/**
 * Builds the image with another daemon in front of the real one; the runner's volume stores its
 * mode.
 */
async function buildHostileImage(image: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "wharf-hostile-"));
  try {
    const { folder: kit } = await HostileKit.build(join(folder, "kit"));
    const name = `wharf-runner-hostile:${hashParts(image, readFileSync(join(kit, "lib/wharf-daemon.mjs")))}`;
    writeFileSync(join(folder, "Dockerfile"), `FROM ${image}\nCOPY kit/lib /opt/wharf/lib\n`);
    if (!hasImage(name)) buildImage(name, folder);
    return ensureInCluster(name);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const capabilities = {
  hasNetwork: true,
  outlivesServer: true,
  keepsDisk: true,
} as const;
const service = "kubernetes";

export const kubernetes: BackendUnderTest = {
  capabilities,
  service,
  open: (folder) => open(folder, { wire: "exec", volumes: "claim" }),
};
export const kubernetesPod: BackendUnderTest = {
  capabilities,
  service,
  variant: true,
  open: (folder) => open(folder, { wire: "pod", volumes: "claim" }),
};
/** A variant without volumes: the disk is lost with the pod, and a stopped runner is lost too. */
export const kubernetesShort: BackendUnderTest = {
  capabilities: { ...capabilities, keepsDisk: false },
  service,
  variant: true,
  open: (folder) => open(folder, { wire: "exec", volumes: "ephemeral" }),
};
