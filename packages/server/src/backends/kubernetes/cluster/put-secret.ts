import type { V1Secret } from "@kubernetes/client-node";
import { isAlreadyExists, isNotFound } from "./api-failure.ts";
import type { Cluster } from "./cluster.ts";

/** The Secret of a deleted owner may vanish between two calls, but not again and again. */
const maxAttempts = 5;

/** Creates a Secret, or replaces the one of that name. */
export async function putSecret({ core }: Pick<Cluster, "core">, namespace: string, body: V1Secret): Promise<void> {
  const name = body.metadata?.name ?? "";
  for (let attempt = 1; ; attempt++) {
    try {
      await core.createNamespacedSecret({ namespace, body });
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    try {
      await core.replaceNamespacedSecret({ namespace, name, body });
      return;
    } catch (error) {
      if (!isNotFound(error) || attempt === maxAttempts) throw error;
    }
  }
}
