import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster/cluster.ts";
import { getObjectNames } from "./objects/names.ts";

const pollIntervalMs = 50;
const maxWaitMs = 1_500;

/**
 * Waits until new claims have volumes. The scheduler sees a pod that is created earlier too soon,
 * and looks again only seconds later. A storage class that creates volumes only for an existing pod
 * makes every wait run out, so after the first timeout no further wait happens.
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
