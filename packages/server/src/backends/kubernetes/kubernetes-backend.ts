import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1OwnerReference, V1StatefulSet } from "@kubernetes/client-node";
import { WharfError } from "@wharf/contract";
import { connectEncrypted } from "@wharf/contract/wire";
import type { Backend, CreateHooks, RunnerSighting, RunnerSpec, RunnerUsage } from "../backend.ts";
import { inside } from "../shared/inside.ts";
import type { Log } from "../shared/log.ts";
import { ApiFailure, isNotFound, isThere } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { explained } from "./failures.ts";
import { ClaimBinding } from "./claim-binding.ts";
import { type Found, search, setFound } from "./found.ts";
import { daemonSecret } from "./objects/daemon-secret.ts";
import { annotations, instanceLabels, runnerLabels, selectorOf } from "./objects/labels.ts";
import { namesOf, namespaceOf } from "./objects/names.ts";
import { barePod, containerName, stopSeconds } from "./objects/pod.ts";
import { statefulSet } from "./objects/stateful-set.ts";
import { claimsOf, keepsDisk } from "./objects/volumes.ts";
import { isEnding, isRunning, type PodOwner, type PodView } from "./pods/pod-view.ts";
import { PodWatch } from "./pods/pod-watch.ts";
import { Pods } from "./pods/pods.ts";
import { type KubernetesBackendOptions, type KubernetesSettings, wirePort, wireSocket } from "./settings.ts";
import { Tenants } from "./tenant.ts";
import { UsageMeter } from "./usage.ts";
import { openExec } from "./wire/exec-stream.ts";
import { openPodStream } from "./wire/pod-stream.ts";

/** How long a pod may take to go, its volumes included. A node counts as gone after about 40 s of silence. */
const goneMs = 80_000;
const pauseMs = 200;
/** How long a program in the pod waits for its daemon to listen. */
const listenMs = 20_000;
/**
 * How long a program that ends before its daemon speaks is started again: the kubelet finds a container by its pod's name,
 * and for a moment that may be the container of the pod before.
 */
const settleMs = 5_000;

interface BringUpOptions extends Pick<CreateHooks, "onProgress"> {
  readonly signal: AbortSignal;
}

/**
 * Runners in pods. All that is known of one is in the cluster, under labels with its id:
 *
 * - absent: nothing. `create` makes a StatefulSet of one and, as its own, a Secret and two claims; or a bare pod with its
 *   Secret, where the disk may go with the pod.
 * - running: the StatefulSet wants one pod. A daemon that dies is started again by the kubelet, a pod that is lost is made
 *   again by the controller, on the same volumes.
 * - stopped: the StatefulSet wants none; its volumes stay. A bare pod cannot be stopped without losing its disk: it is then
 *   absent. `destroy` leads to absent from anywhere; what the StatefulSet or the pod owns goes with it.
 */
export class KubernetesBackend implements Backend {
  readonly name = "kubernetes";
  readonly can = { snapshot: false, isolation: "container", packages: "volume" } as const;
  readonly #cluster: Cluster;
  readonly #settings: KubernetesSettings;
  readonly #log: Log | undefined;
  readonly #wireKey: (id: string) => string;
  readonly #tenants: Tenants;
  readonly #binding: ClaimBinding;
  readonly #watch: PodWatch;
  readonly #pods: Pods;
  readonly #meter: UsageMeter;

  constructor(cluster: Cluster, { settings, wireKey, log }: Omit<KubernetesBackendOptions, "cluster">) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#wireKey = wireKey;
    this.#log = log;
    this.#tenants = new Tenants(cluster, settings, log);
    this.#binding = new ClaimBinding(cluster);
    this.#watch = new PodWatch({
      cluster,
      selector: selectorOf(instanceLabels(settings.instance)),
      ...("fixed" in settings.namespaces && { namespace: settings.namespaces.fixed }),
      ...(log && { log }),
    });
    this.#pods = new Pods(cluster, this.#watch, log);
    this.#meter = new UsageMeter(cluster);
  }

  async locate(): Promise<string> {
    return this.#cluster.identity;
  }

  create(spec: RunnerSpec, signal: AbortSignal = never(), { onProgress }: CreateHooks = {}): Promise<void> {
    return this.#explained(async () => {
      signal.throwIfAborted();
      await this.#bringUp(this.#bounded(spec), await this.#find(spec.id), { signal, onProgress });
    });
  }

  start(spec: RunnerSpec, signal: AbortSignal = never()): Promise<void> {
    return this.#explained(async () => {
      signal.throwIfAborted();
      await this.#bringUp(this.#bounded(spec), await this.#existing(spec.id), { signal });
    });
  }

  stop(id: string): Promise<void> {
    return this.#explained(async () => {
      const found = await this.#existing(id);
      const until = AbortSignal.timeout(goneMs);
      if (found.kind === "pod") await this.#deletePod(found, stopSeconds(this.#settings));
      else if (!found.stopped) await this.#scaleDown(found, await this.#cpuSoFar(found));
      await this.#pods.untilGone(found, until);
    });
  }

  destroy(id: string): Promise<void> {
    return this.#explained(async () => {
      const found = await this.#find(id);
      if (!found) return;
      const until = AbortSignal.timeout(goneMs);
      const { apps } = this.#cluster;
      const { namespace } = found;
      if (found.kind === "set") {
        const name = namesOf(id).runner;
        const body = { propagationPolicy: "Background", preconditions: { uid: found.uid } };
        await apps.deleteNamespacedStatefulSet({ name, namespace, body }).catch(unlessGone);
      }
      // Nobody needs what its daemon would still write.
      await this.#deletePod(found, 1);
      await this.#pods.untilGone(found, until);
      if (found.kind === "set") await this.#untilClaimsGone(id, namespace, until);
    });
  }

  dial(id: string, signal: AbortSignal = never()): Promise<Duplex> {
    return this.#explained(async () => {
      const settled = Date.now() + settleMs;
      for (;;) {
        signal.throwIfAborted();
        const found = await this.#existing(id);
        if (found.stopped) throw new WharfError("runner_unavailable", { runner_id: id, reason: "it is stopped" });
        const pod = await this.#pods.untilRunning({ ...found, startMs: this.#settings.startMs }, signal);
        const stream = await this.#stream(id, pod, signal).catch((error: unknown) => {
          // It went between the look and the call; the next look tells.
          if (error instanceof ApiFailure && [400, 404, 500].includes(error.status)) return undefined;
          const isEarly = Date.now() < settled && !signal.aborted;
          if (isEarly && error instanceof WharfError && error.code === "runner_unavailable") return undefined;
          throw error;
        });
        if (stream) return stream;
        await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    });
  }

  usage(id: string): Promise<RunnerUsage> {
    return this.#explained(async () => {
      const found = await this.#existing(id);
      const pod = await this.#pods.now(found, AbortSignal.timeout(goneMs));
      const now = await (pod ? this.#meter.measure(pod) : { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0 });
      return { ...now, cpuSeconds: found.cpuSeconds + now.cpuSeconds };
    });
  }

  async *list(): AsyncIterable<RunnerSighting> {
    const all = await this.#explained(() =>
      search(this.#cluster, this.#settings, instanceLabels(this.#settings.instance)),
    );
    for (const [id, { stopped }] of all) yield { id, state: stopped ? "stopped" : "running" };
  }

  /** What an image holds is only known inside: an agent whose program is not there says so when it is started. */
  async missing(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {
    await this.#watch.close();
    this.#cluster.close();
  }

  #bounded(spec: RunnerSpec): RunnerSpec {
    const { cpu = Infinity, memoryBytes = Infinity, diskBytes = Infinity } = this.#settings.most;
    const { limits } = spec;
    return {
      ...spec,
      limits: {
        ...limits,
        cpu: Math.min(limits.cpu, cpu),
        memoryBytes: Math.min(limits.memoryBytes, memoryBytes),
        diskBytes: Math.min(limits.diskBytes, diskBytes),
      },
    };
  }

  async #bringUp(spec: RunnerSpec, there: Found | undefined, { signal, onProgress }: BringUpOptions): Promise<void> {
    const namespace = there?.namespace ?? namespaceOf(this.#settings, spec.tenant);
    if (there && !there.stopped) {
      const pod = await this.#pods.now(there, signal);
      if (pod && isRunning(pod) && !isEnding(pod)) return;
    }
    await this.#tenants.ensure(namespace);
    // What is there stays what it is, also where the settings have changed since.
    const kind = there?.kind ?? (keepsDisk(spec, this.#settings) ? "set" : "pod");
    const make = kind === "set" ? this.#makeSet(spec, namespace, there) : this.#makePod(spec, namespace, there);
    const owner = await make.catch((error: unknown) => {
      // Somebody may have changed the namespace since it was last looked at.
      this.#tenants.forget(namespace);
      throw error;
    });
    const onWait = onProgress && ((reason: string) => onProgress(`Waiting for a node: ${reason}`));
    await this.#pods.untilRunning({ ...owner, startMs: this.#settings.startMs, onWait }, signal);
  }

  async #makeSet(spec: RunnerSpec, namespace: string, there: Found | undefined): Promise<PodOwner> {
    const { apps, core } = this.#cluster;
    const settings = { ...this.#settings, volumes: "claim" } as const;
    const wanted = statefulSet(spec, settings);
    const set = there ?? (await this.#newSet(spec.id, namespace, wanted));
    const owner = ownerOf("StatefulSet", "apps/v1", namesOf(spec.id).runner, set.uid);
    const secret = daemonSecret(spec, settings, owner);
    await Promise.all([
      core.createNamespacedSecret({ namespace, body: secret }).catch((error: unknown) => {
        if (!isThere(error)) throw error;
        return core.replaceNamespacedSecret({ namespace, name: namesOf(spec.id).secret, body: secret });
      }),
      ...claimsOf(spec, settings, owner).map((body) =>
        core.createNamespacedPersistentVolumeClaim({ namespace, body }).catch(unlessThere),
      ),
    ]);
    if (!there) await this.#binding.wait(spec.id, namespace);
    const digest = wanted.metadata?.annotations?.[annotations.digest];
    const isChanged = set.digest !== digest;
    const body = [
      // All of it, so that no key of an earlier template stays.
      ...(isChanged ? [{ op: "replace", path: "/spec/template", value: wanted.spec?.template }] : []),
      { op: "add", path: annotationPath(annotations.digest), value: digest },
      { op: "replace", path: "/spec/replicas", value: 1 },
    ];
    await apps.patchNamespacedStatefulSet({ name: namesOf(spec.id).runner, namespace, body });
    return set;
  }

  async #newSet(id: string, namespace: string, body: V1StatefulSet): Promise<Found> {
    const made = await this.#cluster.apps.createNamespacedStatefulSet({ namespace, body }).catch(unlessThere);
    if (made) return setFound(made);
    // Another call for the same runner was quicker.
    return this.#existing(id);
  }

  async #makePod(spec: RunnerSpec, namespace: string, there: Found | undefined): Promise<PodOwner> {
    const { core } = this.#cluster;
    if (there?.stopped) {
      this.#log?.warn({ runner_id: spec.id }, "a pod ended, and its disk with it; another is made");
      await this.#deletePod(there, 1);
      await this.#pods.untilGone(there, AbortSignal.timeout(goneMs));
    }
    const body = barePod(spec, { ...this.#settings, volumes: "ephemeral" });
    const pod = await core.createNamespacedPod({ namespace, body }).catch(unlessThere);
    if (!pod) return this.#existing(spec.id);
    const uid = pod.metadata?.uid ?? "";
    const owner = ownerOf("Pod", "v1", namesOf(spec.id).runner, uid);
    // The kubelet waits for it.
    const secret = daemonSecret(spec, this.#settings, owner);
    await core.createNamespacedSecret({ namespace, body: secret }).catch((error: unknown) => {
      if (!isThere(error)) throw error;
      // Of a pod of this name that has just gone, and taken away with it in a moment: this one takes its place.
      return core.replaceNamespacedSecret({ namespace, name: namesOf(spec.id).secret, body: secret });
    });
    return { id: spec.id, namespace, uid };
  }

  async #scaleDown({ id, namespace }: Found, cpuSeconds: number): Promise<void> {
    const body = [
      { op: "add", path: annotationPath(annotations.cpuSeconds), value: String(cpuSeconds) },
      { op: "replace", path: "/spec/replicas", value: 0 },
    ];
    await this.#cluster.apps.patchNamespacedStatefulSet({ name: namesOf(id).runner, namespace, body });
  }

  /** Kept with the StatefulSet, as the next pod begins at nothing. */
  async #cpuSoFar(found: Found): Promise<number> {
    const pod = await this.#pods.now(found, AbortSignal.timeout(goneMs));
    const used = pod ? await this.#meter.measure(pod).catch(() => undefined) : undefined;
    return found.cpuSeconds + (used?.cpuSeconds ?? 0);
  }

  async #deletePod({ id, kind, namespace }: Found, gracePeriodSeconds: number): Promise<void> {
    const { runner } = namesOf(id);
    const name = kind === "set" ? `${runner}-0` : runner;
    await this.#cluster.core.deleteNamespacedPod({ name, namespace, body: { gracePeriodSeconds } }).catch(unlessGone);
  }

  /** They wait for their pod, and for the collector that follows what is owned. */
  async #untilClaimsGone(id: string, namespace: string, signal: AbortSignal): Promise<void> {
    const { workspace, home } = namesOf(id);
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
        await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  async #stream(id: string, pod: PodView, signal: AbortSignal): Promise<Duplex> {
    const listens = pod.metadata.annotations[annotations.wire];
    const host = pod.status.podIP;
    const encryption = { key: this.#wireKey(id), runnerId: id, signal };
    if (listens === "tls" && this.#settings.wire === "pod" && host) {
      return connectEncrypted(await openPodStream({ host, port: wirePort }, signal), encryption);
    }
    // Without encryption nothing is sent to a pod's address.
    const stream = await this.#openExec(pod, listens === "socket" ? wireSocket : String(wirePort), signal);
    if (listens === "tls") return connectEncrypted(stream, { ...encryption, timeoutMs: listenMs });
    try {
      // The daemon speaks first; until then it may not be ready, which is not to be taken for silence.
      await once(stream, "readable", { signal });
      return stream;
    } catch (error) {
      stream.destroy();
      signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      throw new WharfError("runner_unavailable", { runner_id: id, reason });
    }
  }

  #openExec({ metadata: { name, namespace } }: PodView, place: string, signal: AbortSignal): Promise<Duplex> {
    const command = [inside.node, `${inside.kit}/lib/wharf-wire.mjs`, place];
    return openExec(this.#cluster, { namespace, pod: name, container: containerName, command }, signal);
  }

  async #find(id: string): Promise<Found | undefined> {
    return (await search(this.#cluster, this.#settings, runnerLabels(this.#settings.instance, id))).get(id);
  }

  async #existing(id: string): Promise<Found> {
    const found = await this.#find(id);
    if (found) return found;
    throw new WharfError("runner_lost", { runner_id: id, reason: "the cluster knows nothing of it" });
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explained(error, this.#cluster);
    }
  }
}

const ownerOf = (kind: string, apiVersion: string, name: string, uid: string): V1OwnerReference => ({
  kind,
  apiVersion,
  name,
  uid,
});

/** In a JSON patch. Every StatefulSet has annotations, so that one can be added. */
const annotationPath = (name: string): string => `/metadata/annotations/${name.replaceAll("/", "~1")}`;

const never = (): AbortSignal => new AbortController().signal;

function unlessThere(error: unknown): undefined {
  if (!isThere(error)) throw error;
}

function unlessGone(error: unknown): undefined {
  // Under another uid it is somebody else's by now.
  if (!isNotFound(error) && !(error instanceof ApiFailure && error.status === 409)) throw error;
}
