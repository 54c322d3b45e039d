import { isDeepStrictEqual } from "node:util";
import type { V1Namespace, V1ObjectMeta } from "@kubernetes/client-node";
import { WharfError } from "@wharf/contract";
import type { Log } from "../shared/log.ts";
import { isNotFound, isAlreadyExists } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { manager, reservedLabels } from "./objects/labels.ts";
import { type TenantObjects, createTenantObjects } from "./objects/tenant.ts";
import { PullSecret } from "./pull-secret.ts";
import type { KubernetesSettings } from "./settings.ts";

/** Wharf trusts a namespace to be unchanged for this long. */
const recheckIntervalMs = 60_000;

/**
 * Creates the namespaces of tenants, and restores changed objects in them: the quota, the limits,
 * the network policy, the copy of the pull secret.
 */
export class TenantNamespaces {
  readonly #cluster: Cluster;
  readonly #settings: KubernetesSettings;
  readonly #log: Log | undefined;
  readonly #pullSecret: PullSecret | undefined;
  readonly #checkedAt = new Map<string, number>();

  constructor(cluster: Cluster, settings: KubernetesSettings, log?: Log) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#log = log;
    const { imagePullSecret } = settings;
    if (imagePullSecret !== undefined) this.#pullSecret = new PullSecret(cluster, imagePullSecret, log);
  }

  async ensure(namespace: string): Promise<void> {
    const checkedAt = this.#checkedAt.get(namespace);
    if (checkedAt !== undefined && performance.now() - checkedAt < recheckIntervalMs) return;
    const isOwn = "prefix" in this.#settings.namespaces && (await this.#ensureNamespace(namespace));
    const objects = createTenantObjects(namespace, this.#settings, { isShared: !isOwn });
    // The policy exists before any pod that it isolates.
    await this.#ensurePolicy(namespace, objects);
    await Promise.all([
      this.#cluster.core
        .createNamespacedServiceAccount({ namespace, body: objects.account })
        .catch(ignoreAlreadyExists),
      this.#ensureQuota(namespace, objects),
      this.#ensureLimits(namespace, objects),
      this.#pullSecret?.copyTo(namespace),
    ]);
    this.#checkedAt.set(namespace, performance.now());
  }

  /** Makes the next `ensure` check the namespace again, because something in it was unexpected. */
  invalidate(namespace: string): void {
    this.#checkedAt.delete(namespace);
  }

  /**
   * Returns whether the namespace is Wharf's own; refuses another owner's unless that owner has
   * labelled it.
   */
  async #ensureNamespace(name: string): Promise<boolean> {
    const { core } = this.#cluster;
    const existing = await core.readNamespace({ name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (!existing) {
      const { namespace } = createTenantObjects(name, this.#settings, { isShared: false });
      if (await core.createNamespace({ body: namespace }).catch(ignoreAlreadyExists)) return true;
      return this.#ensureNamespace(name);
    }
    if (existing.status?.phase === "Terminating" || existing.metadata?.deletionTimestamp) {
      throw new WharfError("namespace_ending", { namespace: name });
    }
    if (this.#isOwn(existing)) return true;
    if (existing.metadata?.labels?.[reservedLabels.allow] === "true") return false;
    throw new WharfError("namespace_foreign", { namespace: name, label: reservedLabels.allow });
  }

  #isOwn({ metadata }: V1Namespace): boolean {
    const { labels } = metadata ?? {};
    return (
      labels?.[reservedLabels.managedBy] === manager && labels[reservedLabels.instance] === this.#settings.instance
    );
  }

  async #ensurePolicy(namespace: string, { policy: desired }: TenantObjects): Promise<void> {
    const { networking } = this.#cluster;
    const target = { namespace, name: getName(desired) };
    await this.#ensureSpec(target, desired, {
      create: () => networking.createNamespacedNetworkPolicy({ namespace, body: desired }),
      read: () => networking.readNamespacedNetworkPolicy(target),
      replace: (body) => networking.replaceNamespacedNetworkPolicy({ ...target, body }),
    });
  }

  async #ensureQuota(namespace: string, { quota: desired }: TenantObjects): Promise<void> {
    const { core } = this.#cluster;
    const target = { namespace, name: getName(desired) };
    await this.#ensureSpec(target, desired, {
      create: () => core.createNamespacedResourceQuota({ namespace, body: desired }),
      read: () => core.readNamespacedResourceQuota(target),
      replace: (body) => core.replaceNamespacedResourceQuota({ ...target, body }),
    });
  }

  async #ensureLimits(namespace: string, { limits: desired }: TenantObjects): Promise<void> {
    const { core } = this.#cluster;
    const target = { namespace, name: getName(desired) };
    await this.#ensureSpec(target, desired, {
      create: () => core.createNamespacedLimitRange({ namespace, body: desired }),
      read: () => core.readNamespacedLimitRange(target),
      replace: (body) => core.replaceNamespacedLimitRange({ ...target, body }),
    });
  }

  /**
   * Always replaces an existing object: the API stores nothing if nothing changes, and only the API
   * knows which spellings of a spec are equal.
   */
  async #ensureSpec<T extends KubernetesObject>(
    target: { namespace: string; name: string },
    desired: T,
    { create, read, replace }: ObjectOperations<T>,
  ): Promise<void> {
    if (await create().catch(ignoreAlreadyExists)) return;
    const existing = await read();
    const { resourceVersion: _version, managedFields: _fields, ...metadata } = existing.metadata ?? {};
    const restored = await replace({ ...existing, metadata, spec: desired.spec });
    if (isDeepStrictEqual(existing.spec, restored.spec)) return;
    this.#log?.warn(target, "someone changed an object in a tenant's namespace; restoring it");
  }
}

interface KubernetesObject {
  readonly metadata?: V1ObjectMeta;
  readonly spec?: unknown;
}

interface ObjectOperations<T> {
  readonly create: () => Promise<T>;
  readonly read: () => Promise<T>;
  readonly replace: (body: T) => Promise<T>;
}

const getName = ({ metadata }: KubernetesObject): string => metadata?.name ?? "";

function ignoreAlreadyExists(error: unknown): undefined {
  if (!isAlreadyExists(error)) throw error;
}
