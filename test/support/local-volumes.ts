import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../packages/server/src/backends/kubernetes/cluster/cluster.ts";

const lookIntervalMs = 100; // ms
const label = "wharf.dev/test-volumes";

export interface LocalVolumesOptions {
  /** A client with an administrator's access to the cluster. */
  readonly cluster: Cluster;
  readonly storageClass: string;
  /** A folder on the machine that is the cluster's node. */
  readonly folder: string;
  readonly node: string;
  /** Creates the initial content of a claim's volume. */
  readonly prepare?: (claim: string, folder: string) => void;
  /** Undoes `prepare` before the folder is removed. */
  readonly release?: (folder: string) => void;
}

/**
 * Creates a volume for every claim of one storage class, and removes it when the claim is gone,
 * like a cluster with dynamic storage. The volumes are folders of this machine.
 */
export class LocalVolumes implements AsyncDisposable {
  readonly #options: LocalVolumesOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: LocalVolumesOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Lists the existing volumes, claimed or not. */
  async list(): Promise<string[]> {
    const { items } = await this.#options.cluster.core.listPersistentVolume({ labelSelector: this.#selector });
    return items.flatMap(({ metadata }) => metadata?.name ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const name of await this.list()) await this.#remove(name);
  }

  get #selector(): string {
    return `${label}=${this.#options.storageClass}`;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // While the API server is unavailable, no new claims arrive either.
      await this.#look().catch(() => undefined);
      await sleep(lookIntervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { core } = this.#options.cluster;
    const { items: claims } = await core.listPersistentVolumeClaimForAllNamespaces();
    for (const { metadata, spec, status } of claims) {
      if (spec?.storageClassName !== this.#options.storageClass || status?.phase !== "Pending") continue;
      const { namespace = "", name = "", uid = "" } = metadata ?? {};
      await this.#make({ namespace, name, uid }, spec.resources?.requests?.["storage"] ?? "1Gi");
    }
    const { items: volumes } = await core.listPersistentVolume({ labelSelector: this.#selector });
    for (const { metadata, status } of volumes)
      if (status?.phase === "Released") await this.#remove(metadata?.name ?? "");
  }

  async #make(claim: { namespace: string; name: string; uid: string }, storage: string): Promise<void> {
    const { cluster, folder, storageClass, node, prepare } = this.#options;
    const name = `${storageClass}-${claim.name}`;
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o770);
    prepare?.(claim.name, path);
    const body = {
      metadata: { name, labels: { [label]: storageClass } },
      spec: {
        capacity: { storage },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: storageClass,
        local: { path },
        // The uid binds the claim at once, without waiting for the controller's next pass over all
        // claims.
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", ...claim },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [node] }] },
            ],
          },
        },
      },
    };
    await cluster.core.createPersistentVolume({ body }).catch(() => undefined);
  }

  async #remove(name: string): Promise<void> {
    const { cluster, folder, release } = this.#options;
    await cluster.core.deletePersistentVolume({ name }).catch(() => undefined);
    release?.(join(folder, name));
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}
