import { isDeepStrictEqual } from "node:util";
import type { V1Namespace, V1ObjectMeta } from "@kubernetes/client-node";
import { WharfError } from "@wharf/contract";
import type { Log } from "../shared/log.ts";
import { isNotFound, isThere } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { manager, reserved } from "./objects/labels.ts";
import { type TenantObjects, tenantObjects } from "./objects/tenant.ts";
import { PullSecret } from "./pull-secret.ts";
import type { KubernetesSettings } from "./settings.ts";

/** How long a namespace is trusted to be as it was last seen. */
const goodForMs = 60_000;

/**
 * Creates the namespaces of tenants, and restores what was changed in them: the quota, the limits, the
 * network policy, the copy of the pull secret.
 */
export class Tenants {
  readonly #cluster: Cluster;
  readonly #settings: KubernetesSettings;
  readonly #log: Log | undefined;
  readonly #pullSecret: PullSecret | undefined;
  readonly #seen = new Map<string, number>();

  constructor(cluster: Cluster, settings: KubernetesSettings, log?: Log) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#log = log;
    const { imagePullSecret } = settings;
    if (imagePullSecret !== undefined) this.#pullSecret = new PullSecret(cluster, imagePullSecret, log);
  }

  async ensure(namespace: string): Promise<void> {
    const seen = this.#seen.get(namespace);
    if (seen !== undefined && performance.now() - seen < goodForMs) return;
    const isOwn = "prefix" in this.#settings.namespaces && (await this.#ensureNamespace(namespace));
    const objects = tenantObjects(namespace, this.#settings, { isShared: !isOwn });
    // The policy exists before any pod it isolates.
    await this.#ensurePolicy(namespace, objects);
    await Promise.all([
      this.#cluster.core.createNamespacedServiceAccount({ namespace, body: objects.account }).catch(unlessThere),
      this.#ensureQuota(namespace, objects),
      this.#ensureLimits(namespace, objects),
      this.#pullSecret?.copyTo(namespace),
    ]);
    this.#seen.set(namespace, performance.now());
  }

  /** Makes the next `ensure` look again: something in the namespace was not as expected. */
  forget(namespace: string): void {
    this.#seen.delete(namespace);
  }

  /** Whether the namespace is Wharf's own; one of somebody else's is refused unless its owner has labelled it. */
  async #ensureNamespace(name: string): Promise<boolean> {
    const { core } = this.#cluster;
    const existing = await core.readNamespace({ name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (!existing) {
      const { namespace } = tenantObjects(name, this.#settings, { isShared: false });
      if (await core.createNamespace({ body: namespace }).catch(unlessThere)) return true;
      return this.#ensureNamespace(name);
    }
    if (existing.status?.phase === "Terminating" || existing.metadata?.deletionTimestamp) {
      throw new WharfError("namespace_ending", { namespace: name });
    }
    if (this.#isOwn(existing)) return true;
    if (existing.metadata?.labels?.[reserved.allow] === "true") return false;
    throw new WharfError("namespace_foreign", { namespace: name, label: reserved.allow });
  }

  #isOwn({ metadata }: V1Namespace): boolean {
    const { labels } = metadata ?? {};
    return labels?.[reserved.managedBy] === manager && labels[reserved.instance] === this.#settings.instance;
  }

  async #ensurePolicy(namespace: string, { policy: wanted }: TenantObjects): Promise<void> {
    const { networking } = this.#cluster;
    const at = { namespace, name: nameOf(wanted) };
    await this.#ensureSpec(at, wanted, {
      create: () => networking.createNamespacedNetworkPolicy({ namespace, body: wanted }),
      read: () => networking.readNamespacedNetworkPolicy(at),
      replace: (body) => networking.replaceNamespacedNetworkPolicy({ ...at, body }),
    });
  }

  async #ensureQuota(namespace: string, { quota: wanted }: TenantObjects): Promise<void> {
    const { core } = this.#cluster;
    const at = { namespace, name: nameOf(wanted) };
    await this.#ensureSpec(at, wanted, {
      create: () => core.createNamespacedResourceQuota({ namespace, body: wanted }),
      read: () => core.readNamespacedResourceQuota(at),
      replace: (body) => core.replaceNamespacedResourceQuota({ ...at, body }),
    });
  }

  async #ensureLimits(namespace: string, { limits: wanted }: TenantObjects): Promise<void> {
    const { core } = this.#cluster;
    const at = { namespace, name: nameOf(wanted) };
    await this.#ensureSpec(at, wanted, {
      create: () => core.createNamespacedLimitRange({ namespace, body: wanted }),
      read: () => core.readNamespacedLimitRange(at),
      replace: (body) => core.replaceNamespacedLimitRange({ ...at, body }),
    });
  }

  /**
   * An existing object is always replaced: the API stores nothing when that changes nothing, and it alone knows which
   * spellings of a spec are the same.
   */
  async #ensureSpec<T extends Specified>(
    at: { namespace: string; name: string },
    wanted: T,
    { create, read, replace }: Verbs<T>,
  ): Promise<void> {
    if (await create().catch(unlessThere)) return;
    const existing = await read();
    const { resourceVersion: _version, managedFields: _fields, ...metadata } = existing.metadata ?? {};
    const restored = await replace({ ...existing, metadata, spec: wanted.spec });
    if (isDeepStrictEqual(existing.spec, restored.spec)) return;
    this.#log?.warn(at, "an object of a tenant's namespace was changed by somebody else; it is restored");
  }
}

interface Specified {
  readonly metadata?: V1ObjectMeta;
  readonly spec?: unknown;
}

interface Verbs<T> {
  readonly create: () => Promise<T>;
  readonly read: () => Promise<T>;
  readonly replace: (body: T) => Promise<T>;
}

const nameOf = ({ metadata }: Specified): string => metadata?.name ?? "";

function unlessThere(error: unknown): undefined {
  if (!isThere(error)) throw error;
}
