import { WharfError } from "@wharf/contract";
import type { Log } from "../../shared/log.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { getObjectNames } from "../objects/names.ts";
import { containerName } from "../objects/pod.ts";
import { EndingPods } from "./ending-pods.ts";
import { type PodFailure, getPodFailure, getPendingReason } from "./pod-failure.ts";
import { isEnding, isRunning, type PodOwner, type PodView } from "./pod-view.ts";
import type { PodWatch } from "./pod-watch.ts";

/** Conditions without a change event are polled this often. */
const pollIntervalMs = 1_000;
/**
 * A pod that is missing after this time was never created, and the controller's events explain why.
 */
const missingPodTimeoutMs = 2_000;
/** A volume may take this long to be created before Wharf checks its claim. */
const volumeTimeoutMs = 15_000;
/**
 * A pod without a node after this time waits for one; a cluster that scales takes minutes to add
 * it.
 */
const nodeTimeoutMs = 2_000;
const maxLogLines = 20;
const maxLogCharacters = 1_500;

export interface StartingRunner extends PodOwner {
  readonly startMs: number;
  /** Receives the scheduler's reason, once, if the pod waits for a node. */
  readonly onWait?: ((reason: string) => Promise<void>) | undefined;
}

/** Waits for the pods of runners to start or to be deleted, and finds out why one does not. */
export class RunnerPods {
  readonly #cluster: Cluster;
  readonly #watch: PodWatch;
  readonly #ending: EndingPods;

  constructor(cluster: Cluster, watch: PodWatch, log?: Log) {
    this.#cluster = cluster;
    this.#watch = watch;
    this.#ending = new EndingPods(cluster, log);
  }

  /** Returns the runner's current pod. */
  async getCurrent(owner: PodOwner, signal: AbortSignal): Promise<PodView | undefined> {
    return (await this.#watch.waitFor(owner, (pod) => pod ?? null, signal)) ?? undefined;
  }

  /** Resolves when the pod runs; rejects with the failure that keeps it from running. */
  async waitUntilRunning(runner: StartingRunner, signal: AbortSignal): Promise<PodView> {
    const startedAt = performance.now();
    let isNotified = false;
    for (;;) {
      const verdict = await this.#watch.waitWithTimeout(runner, getStartOutcome, { signal, ms: pollIntervalMs });
      if (verdict && "running" in verdict) return verdict.running;
      if (verdict) throw await this.#createNotStartedError(runner, verdict);
      const waited = performance.now() - startedAt;
      const pod = await this.getCurrent(runner, signal);
      if (pod && isEnding(pod)) await this.#ending.forceDelete(pod);
      const trouble = await this.#getSlowStartFailure(runner, pod, waited);
      if (trouble) throw await this.#createNotStartedError(runner, { trouble, pod });
      if (waited > runner.startMs) throw await this.#createTimeoutError(runner, pod);
      const obstacle = pod && getPendingReason(pod);
      if (isNotified || waited < nodeTimeoutMs || obstacle?.cause !== "no_room") continue;
      isNotified = true;
      await runner.onWait?.(obstacle.reason);
    }
  }

  /** Resolves when the pod no longer exists. A pod whose node is gone is force-deleted. */
  async waitUntilDeleted(owner: PodOwner, signal: AbortSignal): Promise<void> {
    for (;;) {
      const isGone = await this.#watch.waitWithTimeout(owner, (pod) => (pod ? undefined : true), {
        signal,
        ms: pollIntervalMs,
      });
      if (isGone) return;
      const pod = await this.getCurrent(owner, signal);
      if (pod && isEnding(pod)) await this.#ending.forceDelete(pod);
    }
  }

  /** Finds the failures that only waiting reveals. */
  async #getSlowStartFailure(
    { id, namespace }: StartingRunner,
    pod: PodView | undefined,
    waited: number,
  ): Promise<PodFailure | undefined> {
    if (!pod) {
      const words =
        waited > missingPodTimeoutMs ? await this.#getLatestWarning(namespace, getObjectNames(id).runner) : undefined;
      if (words === undefined) return undefined;
      if (/exceeded quota|(maximum|minimum) .* per /i.test(words)) {
        throw new WharfError("quota_exceeded", { namespace, reason: words });
      }
      return { cause: "unknown", reason: words };
    }
    const obstacle = getPendingReason(pod);
    if (obstacle?.cause === "volume" && waited > volumeTimeoutMs) return this.#getUnboundClaimFailure(namespace, id);
    return undefined;
  }

  /** Returns why a claim has no volume, if waiting is useless. */
  async #getUnboundClaimFailure(namespace: string, id: string): Promise<PodFailure | undefined> {
    const { workspace, home } = getObjectNames(id);
    for (const name of [workspace, home]) {
      const claim = await this.#cluster.core.readNamespacedPersistentVolumeClaim({ namespace, name });
      if (claim.status?.phase === "Bound") continue;
      const storageClass = claim.spec?.storageClassName;
      if (!storageClass) {
        return {
          cause: "volume",
          reason: `the claim ${name} has no storage class and the cluster has no default`,
        };
      }
      const words = await this.#getLatestWarning(namespace, name);
      if (words)
        return { cause: "volume", reason: `no volume of class '${storageClass}' for the claim ${name}: ${words}` };
    }
    return undefined;
  }

  async #createTimeoutError(runner: StartingRunner, pod: PodView | undefined): Promise<WharfError> {
    const obstacle = pod && getPendingReason(pod);
    const words =
      obstacle?.reason ??
      (await this.#getLatestWarning(runner.namespace, pod?.metadata.name ?? getObjectNames(runner.id).runner));
    if (words === undefined) {
      const timeoutSeconds = runner.startMs / 1000;
      return new WharfError("runner_timeout", {
        runner_id: runner.id,
        phase: "start of the pod",
        after_s: timeoutSeconds,
      });
    }
    const isFull = /no space left|disk quota/i.test(words);
    const cause = obstacle?.cause ?? (isFull ? "volume_full" : /mount|volume/i.test(words) ? "volume" : "unknown");
    return new WharfError("runner_not_started", { runner_id: runner.id, cause, reason: words });
  }

  async #createNotStartedError(
    { id }: StartingRunner,
    { trouble, pod }: { trouble: PodFailure; pod: PodView | undefined },
  ) {
    const { cause, reason } = trouble;
    const output = cause === "crash" && pod ? await this.readLogTail(pod) : "";
    const isFull = /ENOSPC|no space left on device/i.test(output);
    return new WharfError("runner_not_started", {
      runner_id: id,
      cause: isFull ? "volume_full" : cause,
      reason: output ? `${reason}; its last output: ${output}` : reason,
    });
  }

  /** Returns the last lines of a container that has ended. */
  async readLogTail({ metadata: { name, namespace } }: PodView): Promise<string> {
    const logOptions = { name, namespace, container: containerName, tailLines: maxLogLines };
    const log = await this.#cluster.core
      .readNamespacedPodLog({ ...logOptions, previous: true })
      .catch(() => this.#cluster.core.readNamespacedPodLog(logOptions))
      .catch(() => "");
    return String(log).trim().slice(-maxLogCharacters);
  }

  /** Returns the newest warning about an object. */
  async #getLatestWarning(namespace: string, name: string): Promise<string | undefined> {
    const fieldSelector = `involvedObject.name=${name},type=Warning`;
    const { items } = await this.#cluster.core.listNamespacedEvent({ namespace, fieldSelector });
    const getTimestamp = (event: (typeof items)[number]) =>
      new Date(event.lastTimestamp ?? event.eventTime ?? 0).getTime();
    return items.toSorted((a, b) => getTimestamp(b) - getTimestamp(a))[0]?.message;
  }
}

type StartOutcome = { readonly running: PodView } | { readonly trouble: PodFailure; readonly pod: PodView };

function getStartOutcome(pod: PodView | undefined): StartOutcome | undefined {
  if (!pod || isEnding(pod)) return undefined;
  if (isRunning(pod)) return { running: pod };
  const trouble = getPodFailure(pod);
  return trouble && { trouble, pod };
}
