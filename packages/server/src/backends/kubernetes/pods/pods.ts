import { WharfError } from "@wharf/contract";
import type { Log } from "../../shared/log.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { containerName } from "../objects/pod.ts";
import { namesOf } from "../objects/names.ts";
import { EndingPods } from "./ending-pods.ts";
import { isEnding, isRunning, type PodOwner, type PodView } from "./pod-view.ts";
import type { PodWatch } from "./pod-watch.ts";
import { type Trouble, troubleOf, waitsFor } from "./trouble.ts";

/** How often it is looked at what no change tells of. */
const tickMs = 1_000;
/** A pod that is not there after this is not made, and the controller says why in its events. */
const absentMs = 2_000;
/** A volume may take this long to be made before it is asked after. */
const volumeMs = 15_000;
/** A pod that no node has taken after this waits for one; a cluster that scales takes minutes to add it. */
const nodeMs = 2_000;
const logLines = 20;
const longestLog = 1_500; // characters

export interface Starting extends PodOwner {
  readonly startMs: number;
  /** Told once that the pod waits for a node, in the scheduler's words. */
  readonly onWait?: ((reason: string) => Promise<void>) | undefined;
}

/** Waits for the pods of runners to come up or to go, and finds out why one does not. */
export class Pods {
  readonly #cluster: Cluster;
  readonly #watch: PodWatch;
  readonly #ending: EndingPods;

  constructor(cluster: Cluster, watch: PodWatch, log?: Log) {
    this.#cluster = cluster;
    this.#watch = watch;
    this.#ending = new EndingPods(cluster, log);
  }

  /** The runner's pod as it is now. */
  async now(owner: PodOwner, signal: AbortSignal): Promise<PodView | undefined> {
    return (await this.#watch.until(owner, (pod) => pod ?? null, signal)) ?? undefined;
  }

  /** Resolves when the pod runs; rejects with what keeps it from running. */
  async untilRunning(runner: Starting, signal: AbortSignal): Promise<PodView> {
    const begun = performance.now();
    let isTold = false;
    for (;;) {
      const verdict = await this.#watch.within(runner, verdictOf, { signal, ms: tickMs });
      if (verdict && "running" in verdict) return verdict.running;
      if (verdict) throw await this.#notStarted(runner, verdict);
      const waited = performance.now() - begun;
      const pod = await this.now(runner, signal);
      if (pod && isEnding(pod)) await this.#ending.force(pod);
      const trouble = await this.#slow(runner, pod, waited);
      if (trouble) throw await this.#notStarted(runner, { trouble, pod });
      if (waited > runner.startMs) throw await this.#late(runner, pod);
      const waiting = pod && waitsFor(pod);
      if (isTold || waited < nodeMs || waiting?.cause !== "no_room") continue;
      isTold = true;
      await runner.onWait?.(waiting.reason);
    }
  }

  /** Resolves when there is no pod any more. One whose node is gone is deleted by force. */
  async untilGone(owner: PodOwner, signal: AbortSignal): Promise<void> {
    for (;;) {
      const gone = await this.#watch.within(owner, (pod) => (pod ? undefined : true), { signal, ms: tickMs });
      if (gone) return;
      const pod = await this.now(owner, signal);
      if (pod && isEnding(pod)) await this.#ending.force(pod);
    }
  }

  /** What only shows by waiting. */
  async #slow({ id, namespace }: Starting, pod: PodView | undefined, waited: number): Promise<Trouble | undefined> {
    if (!pod) {
      const words = waited > absentMs ? await this.#warning(namespace, namesOf(id).runner) : undefined;
      if (words === undefined) return undefined;
      if (/exceeded quota|(maximum|minimum) .* per /i.test(words)) {
        throw new WharfError("quota_exceeded", { namespace, reason: words });
      }
      return { cause: "unknown", reason: words };
    }
    const waiting = waitsFor(pod);
    if (waiting?.cause === "volume" && waited > volumeMs) return this.#unbound(namespace, id);
    return undefined;
  }

  /** Why a claim has no volume, where waiting is of no use. */
  async #unbound(namespace: string, id: string): Promise<Trouble | undefined> {
    const { workspace, home } = namesOf(id);
    for (const name of [workspace, home]) {
      const claim = await this.#cluster.core.readNamespacedPersistentVolumeClaim({ namespace, name });
      if (claim.status?.phase === "Bound") continue;
      const storageClass = claim.spec?.storageClassName;
      if (!storageClass) {
        return {
          cause: "volume",
          reason: `the claim ${name} names no storage class and the cluster has no default one`,
        };
      }
      const words = await this.#warning(namespace, name);
      if (words)
        return { cause: "volume", reason: `the claim ${name} gets no volume of class '${storageClass}': ${words}` };
    }
    return undefined;
  }

  async #late(runner: Starting, pod: PodView | undefined): Promise<WharfError> {
    const waiting = pod && waitsFor(pod);
    const words =
      waiting?.reason ?? (await this.#warning(runner.namespace, pod?.metadata.name ?? namesOf(runner.id).runner));
    if (words === undefined) {
      const after_s = runner.startMs / 1000;
      return new WharfError("runner_timeout", { runner_id: runner.id, phase: "start of the pod", after_s });
    }
    const isFull = /no space left|disk quota/i.test(words);
    const cause = waiting?.cause ?? (isFull ? "volume_full" : /mount|volume/i.test(words) ? "volume" : "unknown");
    return new WharfError("runner_not_started", { runner_id: runner.id, cause, reason: words });
  }

  async #notStarted({ id }: Starting, { trouble, pod }: { trouble: Trouble; pod: PodView | undefined }) {
    const { cause, reason } = trouble;
    const said = cause === "crash" && pod ? await this.lastWords(pod) : "";
    const isFull = /ENOSPC|no space left on device/i.test(said);
    return new WharfError("runner_not_started", {
      runner_id: id,
      cause: isFull ? "volume_full" : cause,
      reason: said ? `${reason}; it said: ${said}` : reason,
    });
  }

  /** The last lines of a container that has ended. */
  async lastWords({ metadata: { name, namespace } }: PodView): Promise<string> {
    const at = { name, namespace, container: containerName, tailLines: logLines };
    const log = await this.#cluster.core
      .readNamespacedPodLog({ ...at, previous: true })
      .catch(() => this.#cluster.core.readNamespacedPodLog(at))
      .catch(() => "");
    return String(log).trim().slice(-longestLog);
  }

  /** The newest warning about an object. */
  async #warning(namespace: string, name: string): Promise<string | undefined> {
    const fieldSelector = `involvedObject.name=${name},type=Warning`;
    const { items } = await this.#cluster.core.listNamespacedEvent({ namespace, fieldSelector });
    const at = (event: (typeof items)[number]) => new Date(event.lastTimestamp ?? event.eventTime ?? 0).getTime();
    return items.toSorted((a, b) => at(b) - at(a))[0]?.message;
  }
}

type Verdict = { readonly running: PodView } | { readonly trouble: Trouble; readonly pod: PodView };

function verdictOf(pod: PodView | undefined): Verdict | undefined {
  if (!pod || isEnding(pod)) return undefined;
  if (isRunning(pod)) return { running: pod };
  const trouble = troubleOf(pod);
  return trouble && { trouble, pod };
}
