import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster/cluster.ts";
import { getObjectNames } from "./objects/names.ts";

const pollIntervalMs = 50; // ms
const maxWaitMs = 1_500; // ms

/**
 * A pod that is made before its claims have volumes is looked at by the scheduler too early, and again only seconds later.
 * So new claims are waited for, where that is of use: a storage class that makes volumes only for a pod that is there lets
 * every wait run out, and after the first of them none is made again.
 */
export class ClaimBinding {
  readonly #cluster: Cluster;
  #isOfUse = true;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async waitUntilBound(id: string, namespace: string): Promise<void> {
    const { workspace, home } = getObjectNames(id);
    const end = performance.now() + maxWaitMs;
    for (const name of [workspace, home]) {
      while (this.#isOfUse && !(await this.#isBound(name, namespace))) {
        if (performance.now() > end) this.#isOfUse = false;
        else await sleep(pollIntervalMs);
      }
    }
  }

  async #isBound(name: string, namespace: string): Promise<boolean> {
    const { status } = await this.#cluster.core.readNamespacedPersistentVolumeClaim({ name, namespace });
    return status?.phase === "Bound";
  }
}
