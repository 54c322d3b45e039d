import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "../../packages/cli/src/server/client.ts";
import { runKubectl } from "./kubernetes.ts";
import { createRepository } from "./repository.ts";
import { ServerHarness } from "./server-harness.ts";

const manifests = join(import.meta.dirname, "../../deploy/kubernetes");
/** The namespace in which the manifests put runners. */
export const runnersNamespace = "wharf-runners";
const serverUser = "1000";

export interface DeployedOptions {
  readonly folder: string;
  readonly serverImage: string;
  readonly runnerImage: string;
}

/**
 * A server that `kubectl apply -k` of the overlay `local` starts, with a repository on its volume,
 * which is a folder on this machine.
 */
export class DeployedServer extends ServerHarness {
  override readonly client: Client;
  /** The repository's path as the server sees it; `remote` is the path on this machine. */
  readonly repository = "/var/lib/wharf/remote";
  readonly remote: string;
  readonly #overlay: string;

  private constructor({ folder, overlay, url }: { folder: string; overlay: string; url: string }) {
    super(folder);
    const disk = join(folder, "disk");
    this.#overlay = overlay;
    this.remote = join(disk, "remote");
    this.client = new Client(async () => ({
      url,
      token: readFileSync(join(disk, "data/owner-token"), "utf8").trim(),
    }));
  }

  static async deploy({ folder, serverImage, runnerImage }: DeployedOptions): Promise<DeployedServer> {
    const disk = join(folder, "disk");
    mkdirSync(disk, { recursive: true });
    for (const path of [folder, disk]) chmodSync(path, 0o755);
    createRepository(join(disk, "remote"));
    execFileSync("chown", ["--recursive", `${serverUser}:${serverUser}`, disk]);
    const address = await chooseServiceAddress();
    const overlay = join(folder, "kubernetes/overlays/test");
    cpSync(manifests, join(folder, "kubernetes"), { recursive: true });
    mkdirSync(overlay);
    for (const [name, content] of Object.entries(createPatches({ disk, address, serverImage, runnerImage })))
      writeFileSync(join(overlay, name), content);
    await runKubectl("apply", "-k", overlay);
    await runKubectl("rollout", "status", "deployment/wharf-server", "--namespace=wharf", "--timeout=100s");
    return new DeployedServer({ folder, overlay, url: `http://${address}:4000` });
  }

  /** Returns the uid of the server's pod. */
  async pod(): Promise<string> {
    const query = ["--selector=app.kubernetes.io/name=wharf-server", "--output=jsonpath={.items[0].metadata.uid}"];
    return runKubectl("get", "pods", "--namespace=wharf", ...query);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await runKubectl("delete", "-k", this.#overlay, "--wait=true");
  }
}

/** Returns an unassigned address from the cluster's Service range. */
async function chooseServiceAddress(): Promise<string> {
  const first = await runKubectl("get", "service", "kubernetes", "--output=jsonpath={.spec.clusterIP}");
  return `${first.split(".").slice(0, 2).join(".")}.40.40`;
}

const createPatches = (at: { disk: string; address: string; serverImage: string; runnerImage: string }) => ({
  "kustomization.yaml": `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
bases: [../local]
configMapGenerator:
  - name: wharf-settings
    namespace: wharf
    behavior: merge
    literals:
      - WHARF_RUNNER_IMAGE=${at.runnerImage}
      - WHARF_ALLOWED_HOSTS=${at.address}
      - WHARF_GIT_LOCAL_PATHS=/var/lib/wharf
patchesStrategicMerge: [service.yaml]
patchesJson6902:
  - path: volume.yaml
    target: { version: v1, kind: PersistentVolume, name: wharf-data }
images:
  - name: wharf-server
    newTag: ${at.serverImage.split(":")[1]}
`,
  "service.yaml": `apiVersion: v1
kind: Service
metadata: { name: wharf, namespace: wharf }
spec: { clusterIP: ${at.address} }
`,
  "volume.yaml": `- { op: replace, path: /spec/local/path, value: ${at.disk} }
`,
});
