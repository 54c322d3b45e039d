import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1OwnerReference, V1StatefulSet } from "@kubernetes/client-node";
import { WharfError } from "@wharf/contract";
import { connectEncrypted } from "@wharf/contract/wire";
import { createNeverSignal } from "../../std/abort.ts";
import { getErrorMessage } from "../../std/errors.ts";
import type { Backend, CreateHooks, ObservedRunner, RunnerSpec, RunnerUsage } from "../backend.ts";
import { containerPaths } from "../shared/container-paths.ts";
import type { Log } from "../shared/log.ts";
import { ClaimBinding } from "./claim-binding.ts";
import { ApiFailure, isNotFound, isAlreadyExists } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { putSecret } from "./cluster/put-secret.ts";
import { toWharfError } from "./failures.ts";
import { createDaemonSecret } from "./objects/daemon-secret.ts";
import { annotations, getInstanceLabels, getRunnerLabels, toSelector } from "./objects/labels.ts";
import { getNamespace, getObjectNames, getPodNames } from "./objects/names.ts";
import { createBarePod, containerName, getStopSeconds } from "./objects/pod.ts";
import { createStatefulSet } from "./objects/stateful-set.ts";
import { createClaims, hasPersistentDisk } from "./objects/volumes.ts";
import { isEnding, isRunning, type PodOwner, type PodView } from "./pods/pod-view.ts";
import { PodWatch } from "./pods/pod-watch.ts";
import { RunnerPods } from "./pods/runner-pods.ts";
import { type ClusterRunner, findClusterRunners, toSetRunner, pingCluster } from "./runner-lookup.ts";
import { type KubernetesBackendOptions, type KubernetesSettings, wirePort, wireSocket } from "./settings.ts";
import { TenantNamespaces } from "./tenant-namespaces.ts";
import { UsageMeter } from "./usage.ts";
import { openExecStream } from "./wire/exec-stream.ts";
import { openPodStream } from "./wire/pod-stream.ts";

/**
 * A pod and its volumes may take this long to be deleted. The cluster treats a node as gone after
 * about 40 s of silence.
 */
const deleteTimeoutMs = 80_000;
const pollIntervalMs = 200;
/** A program in the pod waits this long for its daemon to listen. */
const listenTimeoutMs = 20_000;
/**
 * A program that ends before its daemon speaks is started again for this long: the kubelet finds a
 * container by its pod's name, and for a moment that may be the container of the previous pod.
 */
const settleTimeoutMs = 5_000;

interface StartOptions extends Pick<CreateHooks, "onProgress"> {
  readonly signal: AbortSignal;
}

/**
 * Hosts runners in pods. The cluster holds all that is known of a runner, under labels with its id:
 *
 * - absent: nothing exists. `create` creates a StatefulSet of one with a Secret and two claims that
 *   it owns; or a bare pod with its Secret, where the disk may go with the pod.
 * - running: the StatefulSet wants one pod. The kubelet restarts a daemon that dies; the controller
 *   replaces a lost pod, on the same volumes.
 * - stopped: the StatefulSet wants none; its volumes stay. A bare pod cannot stop without losing
 *   its disk: it is then absent. `destroy` leads to absent from every state; objects that the
 *   StatefulSet or the pod owns are deleted with it.
 */
export class KubernetesBackend implements Backend {
  readonly name = "kubernetes";
  readonly maxDiskBytes: number;
  readonly can = { snapshot: false, isolation: "container", packages: "volume" } as const;
  readonly #cluster: Cluster;
  readonly #settings: KubernetesSettings;
  readonly #log: Log | undefined;
  readonly #wireKey: (id: string) => string;
  readonly #onPlaced: KubernetesBackendOptions["onPlaced"];
  readonly #tenants: TenantNamespaces;
  readonly #binding: ClaimBinding;
  readonly #watch: PodWatch;
  readonly #pods: RunnerPods;
  readonly #meter: UsageMeter;

  constructor(cluster: Cluster, { settings, wireKey, log, onPlaced }: Omit<KubernetesBackendOptions, "cluster">) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.maxDiskBytes = settings.most.diskBytes ?? Infinity;
    this.#wireKey = wireKey;
    this.#onPlaced = onPlaced;
    this.#log = log;
    this.#tenants = new TenantNamespaces(cluster, settings, log);
    this.#binding = new ClaimBinding(cluster);
    this.#watch = new PodWatch({
      cluster,
      selector: toSelector(getInstanceLabels(settings.instance)),
      ...("fixed" in settings.namespaces && { namespace: settings.namespaces.fixed }),
      ...(log && { log }),
    });
    this.#pods = new RunnerPods(cluster, this.#watch, log);
    this.#meter = new UsageMeter(cluster);
  }

  async locate(): Promise<string> {
    return this.#cluster.identity;
  }

  create(spec: RunnerSpec, signal: AbortSignal = createNeverSignal(), { onProgress }: CreateHooks = {}): Promise<void> {
    return this.#translateErrors(async () => {
      signal.throwIfAborted();
      await this.#ensureRunning(this.#capLimits(spec), await this.#findRunner(spec.id), { signal, onProgress });
    });
  }

  start(spec: RunnerSpec, signal: AbortSignal = createNeverSignal()): Promise<void> {
    return this.#translateErrors(async () => {
      signal.throwIfAborted();
      await this.#ensureRunning(this.#capLimits(spec), await this.#getRunner(spec.id), { signal });
    });
  }

  stop(id: string): Promise<void> {
    return this.#translateErrors(async () => {
      const runner = await this.#getRunner(id);
      const deadline = AbortSignal.timeout(deleteTimeoutMs);
      if (runner.kind === "pod") await this.#deletePod(runner, getStopSeconds(this.#settings));
      else if (!runner.stopped) await this.#scaleDown(runner, await this.#getTotalCpuSeconds(runner));
      await this.#pods.waitUntilDeleted(runner, deadline);
    });
  }

  destroy(id: string): Promise<void> {
    return this.#translateErrors(async () => {
      const runner = await this.#findRunner(id);
      if (!runner) return;
      const deadline = AbortSignal.timeout(deleteTimeoutMs);
      const { apps } = this.#cluster;
      const { namespace } = runner;
      if (runner.kind === "set") {
        const name = getObjectNames(id).runner;
        const body = { propagationPolicy: "Background", preconditions: { uid: runner.uid } };
        await apps.deleteNamespacedStatefulSet({ name, namespace, body }).catch(ignoreNotFound);
      }
      // No reader needs what the daemon would still write.
      await this.#deletePod(runner, 1);
      await this.#pods.waitUntilDeleted(runner, deadline);
      if (runner.kind === "set") await this.#waitUntilClaimsDeleted(id, namespace, deadline);
    });
  }

  dial(id: string, signal: AbortSignal = createNeverSignal()): Promise<Duplex> {
    return this.#translateErrors(async () => {
      const settleDeadline = Date.now() + settleTimeoutMs;
      for (;;) {
        signal.throwIfAborted();
        const runner = await this.#getRunner(id);
        if (runner.stopped) throw new WharfError("runner_unavailable", { runner_id: id, reason: "it is stopped" });
        const pod = await this.#pods.waitUntilRunning({ ...runner, startMs: this.#settings.startMs }, signal);
        const stream = await this.#openStream(id, pod, signal).catch((error: unknown) => {
          // The pod was deleted between the lookup and the call; the next lookup shows it.
          if (error instanceof ApiFailure && [400, 404, 500].includes(error.status)) return undefined;
          const isEarly = Date.now() < settleDeadline && !signal.aborted;
          if (isEarly && error instanceof WharfError && error.code === "runner_unavailable") return undefined;
          throw error;
        });
        if (stream) return stream;
        await sleep(pollIntervalMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    });
  }

  getUsage(id: string): Promise<RunnerUsage> {
    return this.#translateErrors(async () => {
      const runner = await this.#getRunner(id);
      const pod = await this.#pods.getCurrent(runner, AbortSignal.timeout(deleteTimeoutMs));
      const current = await (pod ? this.#meter.measure(pod) : { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0 });
      return { ...current, cpuSeconds: runner.cpuSeconds + current.cpuSeconds };
    });
  }

  ping(): Promise<void> {
    return this.#translateErrors(() => pingCluster(this.#cluster, this.#settings));
  }

  async *list(): AsyncIterable<ObservedRunner> {
    const all = await this.#translateErrors(() =>
      findClusterRunners(this.#cluster, this.#settings, getInstanceLabels(this.#settings.instance)),
    );
    for (const [id, { stopped }] of all) yield { id, state: stopped ? "stopped" : "running" };
  }

  /**
   * Only the runner knows what its image contains: an agent whose program is missing reports it at
   * its start.
   */
  async getMissingReason(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {
    await this.#watch.close();
    this.#cluster.close();
  }

  #capLimits(spec: RunnerSpec): RunnerSpec {
    const { cpu = Infinity, memoryBytes = Infinity } = this.#settings.most;
    const { limits } = spec;
    return {
      ...spec,
      limits: {
        ...limits,
        cpu: Math.min(limits.cpu, cpu),
        memoryBytes: Math.min(limits.memoryBytes, memoryBytes),
        diskBytes: Math.min(limits.diskBytes, this.maxDiskBytes),
      },
    };
  }

  async #ensureRunning(
    spec: RunnerSpec,
    existing: ClusterRunner | undefined,
    { signal, onProgress }: StartOptions,
  ): Promise<void> {
    const namespace = existing?.namespace ?? getNamespace(this.#settings, spec.tenant);
    if (existing && !existing.stopped) {
      const pod = await this.#pods.getCurrent(existing, signal);
      if (pod && isRunning(pod) && !isEnding(pod)) return;
    }
    await this.#tenants.ensure(namespace);
    // An existing runner keeps its kind, even if the settings have changed since.
    const kind = existing?.kind ?? (hasPersistentDisk(spec, this.#settings) ? "set" : "pod");
    await this.#onPlaced?.(spec, { namespace, ...getPodNames(spec.id, kind) });
    const make =
      kind === "set" ? this.#ensureSet(spec, namespace, existing) : this.#createPod(spec, namespace, existing);
    const owner = await make.catch((error: unknown) => {
      // Someone may have changed the namespace since the last check.
      this.#tenants.invalidate(namespace);
      throw error;
    });
    const onWait = onProgress && ((reason: string) => onProgress(`Waiting for a node: ${reason}`));
    await this.#pods.waitUntilRunning({ ...owner, startMs: this.#settings.startMs, onWait }, signal);
  }

  async #ensureSet(spec: RunnerSpec, namespace: string, existing: ClusterRunner | undefined): Promise<PodOwner> {
    const { apps, core } = this.#cluster;
    const settings = { ...this.#settings, volumes: "claim" } as const;
    const desired = createStatefulSet(spec, settings);
    const set = existing ?? (await this.#createSet(spec.id, namespace, desired));
    const owner = createOwnerReference("StatefulSet", "apps/v1", getObjectNames(spec.id).runner, set.uid);
    const secret = createDaemonSecret(spec, settings, owner);
    await Promise.all([
      putSecret(this.#cluster, namespace, secret),
      ...createClaims(spec, settings, owner).map((body) =>
        core.createNamespacedPersistentVolumeClaim({ namespace, body }).catch(ignoreAlreadyExists),
      ),
    ]);
    if (!existing) await this.#binding.waitUntilBound(spec.id, namespace);
    const digest = desired.metadata?.annotations?.[annotations.digest];
    const isChanged = set.digest !== digest;
    const body = [
      // Replace the whole template, so that no key of an earlier one stays.
      ...(isChanged ? [{ op: "replace", path: "/spec/template", value: desired.spec?.template }] : []),
      { op: "add", path: getAnnotationPath(annotations.digest), value: digest },
      { op: "replace", path: "/spec/replicas", value: 1 },
    ];
    await apps.patchNamespacedStatefulSet({ name: getObjectNames(spec.id).runner, namespace, body });
    return set;
  }

  async #createSet(id: string, namespace: string, body: V1StatefulSet): Promise<ClusterRunner> {
    const created = await this.#cluster.apps
      .createNamespacedStatefulSet({ namespace, body })
      .catch(ignoreAlreadyExists);
    if (created) return toSetRunner(created);
    // Another call for the same runner was faster.
    return this.#getRunner(id);
  }

  async #createPod(spec: RunnerSpec, namespace: string, existing: ClusterRunner | undefined): Promise<PodOwner> {
    const { core } = this.#cluster;
    if (existing?.stopped) {
      this.#log?.warn({ runner_id: spec.id }, "a pod ended and lost its disk; creating another one");
      await this.#deletePod(existing, 1);
      await this.#pods.waitUntilDeleted(existing, AbortSignal.timeout(deleteTimeoutMs));
    }
    const body = createBarePod(spec, { ...this.#settings, volumes: "ephemeral" });
    const pod = await core.createNamespacedPod({ namespace, body }).catch(ignoreAlreadyExists);
    if (!pod) return this.#getRunner(spec.id);
    const uid = pod.metadata?.uid ?? "";
    const owner = createOwnerReference("Pod", "v1", getObjectNames(spec.id).runner, uid);
    // The kubelet waits for this Secret.
    const secret = createDaemonSecret(spec, this.#settings, owner);
    // An earlier one belongs to a deleted pod of this name, and may vanish with it at any time.
    await putSecret(this.#cluster, namespace, secret);
    return { id: spec.id, namespace, uid };
  }

  async #scaleDown({ id, namespace }: ClusterRunner, cpuSeconds: number): Promise<void> {
    const body = [
      { op: "add", path: getAnnotationPath(annotations.cpuSeconds), value: String(cpuSeconds) },
      { op: "replace", path: "/spec/replicas", value: 0 },
    ];
    await this.#cluster.apps.patchNamespacedStatefulSet({ name: getObjectNames(id).runner, namespace, body });
  }

  /** The StatefulSet keeps the sum, because the next pod starts at zero. */
  async #getTotalCpuSeconds(runner: ClusterRunner): Promise<number> {
    const pod = await this.#pods.getCurrent(runner, AbortSignal.timeout(deleteTimeoutMs));
    const podUsage = pod ? await this.#meter.measure(pod).catch(() => undefined) : undefined;
    return runner.cpuSeconds + (podUsage?.cpuSeconds ?? 0);
  }

  async #deletePod({ id, kind, namespace }: ClusterRunner, gracePeriodSeconds: number): Promise<void> {
    const { pod: name } = getPodNames(id, kind);
    await this.#cluster.core
      .deleteNamespacedPod({ name, namespace, body: { gracePeriodSeconds } })
      .catch(ignoreNotFound);
  }

  /** Claims wait for their pod, and for the garbage collector that deletes owned objects. */
  async #waitUntilClaimsDeleted(id: string, namespace: string, signal: AbortSignal): Promise<void> {
    const { workspace, home } = getObjectNames(id);
    for (const name of [workspace, home]) {
      for (;;) {
        const isGone = await this.#cluster.core.readNamespacedPersistentVolumeClaim({ name, namespace }).then(
          () => false,
          (error: unknown) => {
            if (isNotFound(error)) return true;
            throw error;
          },
        );
        if (isGone) break;
        await sleep(pollIntervalMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  async #openStream(id: string, pod: PodView, signal: AbortSignal): Promise<Duplex> {
    const listens = pod.metadata.annotations[annotations.wire];
    const host = pod.status.podIP;
    const encryption = { key: this.#wireKey(id), runnerId: id, signal };
    if (listens === "tls" && this.#settings.wire === "pod" && host) {
      return connectEncrypted(await openPodStream({ host, port: wirePort }, signal), encryption);
    }
    // Without encryption, send nothing to a pod's address.
    const stream = await this.#openExec(pod, listens === "socket" ? wireSocket : String(wirePort), signal);
    if (listens === "tls") return connectEncrypted(stream, { ...encryption, timeoutMs: listenTimeoutMs });
    try {
      // The daemon speaks first; until then it may not be ready, so its silence is no failure yet.
      await once(stream, "readable", { signal });
      return stream;
    } catch (error) {
      stream.destroy();
      signal.throwIfAborted();
      const reason = getErrorMessage(error);
      throw new WharfError("runner_unavailable", { runner_id: id, reason });
    }
  }

  #openExec({ metadata: { name, namespace } }: PodView, place: string, signal: AbortSignal): Promise<Duplex> {
    const command = [containerPaths.node, `${containerPaths.kit}/lib/wharf-wire.mjs`, place];
    return openExecStream(this.#cluster, { namespace, pod: name, container: containerName, command }, signal);
  }

  async #findRunner(id: string): Promise<ClusterRunner | undefined> {
    return (await findClusterRunners(this.#cluster, this.#settings, getRunnerLabels(this.#settings.instance, id))).get(
      id,
    );
  }

  async #getRunner(id: string): Promise<ClusterRunner> {
    const runner = await this.#findRunner(id);
    if (runner) return runner;
    throw new WharfError("runner_lost", { runner_id: id, reason: "the cluster does not have it" });
  }

  async #translateErrors<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toWharfError(error, this.#cluster);
    }
  }
}

const createOwnerReference = (kind: string, apiVersion: string, name: string, uid: string): V1OwnerReference => ({
  kind,
  apiVersion,
  name,
  uid,
});

/**
 * Returns the annotation's path in a JSON patch. Every StatefulSet has annotations, so a patch can
 * add one.
 */
const getAnnotationPath = (name: string): string => `/metadata/annotations/${name.replaceAll("/", "~1")}`;

function ignoreAlreadyExists(error: unknown): undefined {
  if (!isAlreadyExists(error)) throw error;
}

function ignoreNotFound(error: unknown): undefined {
  // An object with another uid belongs to someone else by now.
  if (!isNotFound(error) && !(error instanceof ApiFailure && error.status === 409)) throw error;
}
