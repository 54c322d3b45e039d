import { WharfError } from "@wharf/contract";
import { isNotFound, isThere } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { annotations } from "./objects/labels.ts";
import { tenantObjects } from "./objects/tenant.ts";
import type { KubernetesSettings } from "./settings.ts";

/** How long it is taken for granted that a namespace is as it was seen. */
const goodForMs = 60_000;

interface Marked {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
}

/** Makes the namespaces of tenants, and puts back what was changed in them: the quota, the limits, the walls. */
export class Tenants {
  readonly #cluster: Cluster;
  readonly #settings: KubernetesSettings;
  readonly #seen = new Map<string, number>();

  constructor(cluster: Cluster, settings: KubernetesSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
  }

  async ensure(namespace: string): Promise<void> {
    const seen = this.#seen.get(namespace);
    if (seen !== undefined && performance.now() - seen < goodForMs) return;
    const objects = tenantObjects(namespace, this.#settings);
    const { core, networking } = this.#cluster;
    // A namespace that all share was made by whoever owns the cluster.
    if ("prefix" in this.#settings.namespaces) await this.#ensureNamespace(namespace, objects.namespace);
    const { account, quota, limits, policy } = objects;
    const at = { namespace };
    // The walls stand before anything can be put behind them.
    await ensure(policy, {
      create: () => networking.createNamespacedNetworkPolicy({ ...at, body: policy }),
      read: () => networking.readNamespacedNetworkPolicy({ ...at, name: nameOf(policy) }),
      replace: () => networking.replaceNamespacedNetworkPolicy({ ...at, name: nameOf(policy), body: policy }),
    });
    await Promise.all([
      core.createNamespacedServiceAccount({ ...at, body: account }).catch(unlessThere),
      ensure(quota, {
        create: () => core.createNamespacedResourceQuota({ ...at, body: quota }),
        read: () => core.readNamespacedResourceQuota({ ...at, name: nameOf(quota) }),
        replace: () => core.replaceNamespacedResourceQuota({ ...at, name: nameOf(quota), body: quota }),
      }),
      ensure(limits, {
        create: () => core.createNamespacedLimitRange({ ...at, body: limits }),
        read: () => core.readNamespacedLimitRange({ ...at, name: nameOf(limits) }),
        replace: () => core.replaceNamespacedLimitRange({ ...at, name: nameOf(limits), body: limits }),
      }),
    ]);
    this.#seen.set(namespace, performance.now());
  }

  /** The next time it is looked at again: something in it was not as expected. */
  forget(namespace: string): void {
    this.#seen.delete(namespace);
  }

  async #ensureNamespace(name: string, body: ReturnType<typeof tenantObjects>["namespace"]): Promise<void> {
    const { core } = this.#cluster;
    const there = await core.readNamespace({ name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (there?.status?.phase === "Terminating" || there?.metadata?.deletionTimestamp) {
      throw new WharfError("namespace_ending", { namespace: name });
    }
    if (!there) await core.createNamespace({ body }).catch(unlessThere);
  }
}

interface Ways<T> {
  readonly create: () => Promise<T>;
  readonly read: () => Promise<T>;
  readonly replace: () => Promise<T>;
}

/** Writes an object again only where it is not what was asked for. */
async function ensure<T extends Marked>(wanted: Marked, { create, read, replace }: Ways<T>): Promise<void> {
  const made = await create().catch(unlessThere);
  if (made) return;
  const there = await read();
  const digest = (object: Marked) => object.metadata?.annotations?.[annotations.digest];
  if (digest(there) !== digest(wanted)) await replace();
}

const nameOf = (object: { metadata?: { name?: string } }): string => object.metadata?.name ?? "";

function unlessThere(error: unknown): undefined {
  if (!isThere(error)) throw error;
}
