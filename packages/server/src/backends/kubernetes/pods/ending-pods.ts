import type { Log } from "../../shared/log.ts";
import { ApiFailure } from "../cluster/api-failure.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { Nodes } from "./nodes.ts";
import type { PodView } from "./pod-view.ts";

/** A pod gets this long beyond its own grace period before Wharf checks its node. */
const defaultLateMs = 3_000;
/**
 * Wharf waits this long if the pod's node seems well or cannot be read: kubelets may be busy, and
 * volumes slow to unmount.
 */
const defaultGiveUpMs = 5 * 60_000;
const maxRemembered = 1_000;

export interface EndingPodsOptions {
  readonly giveUpMs?: number;
  readonly lateMs?: number;
}

/**
 * Force-deletes pods that no kubelet ends any more. A forced deletion removes the object while the
 * processes may still run, so that a successor could open the same volumes at the same time: Wharf
 * uses it only if the pod's node is gone, or after minutes. This process counts the time from when
 * it first saw the pod ending, and never compares its clock with the cluster's.
 */
export class EndingPods {
  readonly #cluster: Cluster;
  readonly #nodes: Nodes;
  readonly #log: Log | undefined;
  readonly #options: Required<EndingPodsOptions>;
  /** Keys are the pods' uids. */
  readonly #firstSeen = new Map<string, number>();

  constructor(cluster: Cluster, log?: Log, options: EndingPodsOptions = {}) {
    this.#cluster = cluster;
    this.#nodes = new Nodes(cluster);
    this.#log = log;
    this.#options = { giveUpMs: defaultGiveUpMs, lateMs: defaultLateMs, ...options };
  }

  /** Callers repeat this call as long as the pod is ending. */
  async forceDelete(pod: PodView): Promise<void> {
    const { name, namespace, uid, deletionGracePeriodSeconds } = pod.metadata;
    const waitedMs = performance.now() - this.#getFirstSeen(uid);
    if (waitedMs < (deletionGracePeriodSeconds ?? 0) * 1000 + this.#options.lateMs) return;
    if (waitedMs < this.#options.giveUpMs && !(await this.#isAbandoned(pod))) return;
    this.#log?.warn(
      { pod: name, namespace, node: pod.spec.nodeName },
      "a pod does not terminate; deleting it by force",
    );
    const body = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#cluster.core.deleteNamespacedPod({ name, namespace, body }).catch(ignoreNotFound);
    this.#firstSeen.delete(uid);
  }

  #getFirstSeen(uid: string): number {
    const seenAt = this.#firstSeen.get(uid);
    if (seenAt !== undefined) return seenAt;
    const now = performance.now();
    const [oldest] = this.#firstSeen.keys();
    if (this.#firstSeen.size >= maxRemembered && oldest !== undefined) this.#firstSeen.delete(oldest);
    this.#firstSeen.set(uid, now);
    return now;
  }

  /** A pod that never had a node has no processes. */
  async #isAbandoned({ spec: { nodeName } }: PodView): Promise<boolean> {
    return !nodeName || (await this.#nodes.isGone(nodeName));
  }
}

function ignoreNotFound(error: unknown): void {
  // Another pod of the same name exists by now, or none.
  if (error instanceof ApiFailure && [404, 409].includes(error.status)) return;
  throw error;
}
