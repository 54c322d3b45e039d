import { z } from "zod";
import { ApiFailure, isNotFound } from "../cluster/api-failure.ts";
import type { Cluster } from "../cluster/cluster.ts";

const NodeView = z.object({
  spec: z.object({ taints: z.array(z.object({ key: z.string() })).nullish() }).default({}),
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish() })
    .default({ conditions: [] }),
});

/** An administrator or controller sets this taint after making sure that a node is switched off. */
const outOfService = "node.kubernetes.io/out-of-service";

/** Distinguishes nodes that still run their pods from nodes that are gone. */
export class Nodes {
  readonly #cluster: Cluster;
  #mayRead = true;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * Returns whether no process on the node can end a pod any more; false also if the server may not
   * read nodes.
   */
  async isGone(name: string): Promise<boolean> {
    if (!this.#mayRead) return false;
    try {
      const { spec, status } = NodeView.parse(await this.#cluster.core.readNode({ name }));
      const ready = status.conditions?.find(({ type }) => type === "Ready");
      const isMarked = spec.taints?.some(({ key }) => key === outOfService) ?? false;
      return isMarked || (ready !== undefined && ready.status !== "True");
    } catch (error) {
      if (isNotFound(error)) return true;
      if (!(error instanceof ApiFailure) || error.status !== 403) throw error;
      this.#mayRead = false;
      return false;
    }
  }
}
