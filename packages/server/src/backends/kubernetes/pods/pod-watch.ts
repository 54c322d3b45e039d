import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../shared/log.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { isOwnedBy, isEnding, type PodOwner, PodView } from "./pod-view.ts";

/** The watch lists everything again after this time, regardless of earlier events. */
const resyncIntervalMs = 5 * 60_000;
const minRetryDelayMs = 200;
const maxRetryDelayMs = 5_000;

export interface PodWatchOptions {
  readonly cluster: Cluster;
  readonly selector: string;
  /** Limits the watch to one namespace; undefined means all. */
  readonly namespace?: string;
  readonly log?: Log;
}

/**
 * Watches the pods of this server's runners, for callers that wait for a pod to change.
 *
 * *idle*: no caller has asked yet. *listing*: the watch reads all pods and replaces what it knew.
 * *watching*: changes arrive as they happen. A watch that ends or fails, or is older than the
 * resync interval, leads back to listing, with a pause after failures. The watch holds nothing that
 * the cluster does not know, and a new one starts in the same state as any other.
 */
export class PodWatch {
  readonly #options: PodWatchOptions;
  readonly #stop = new AbortController();
  readonly #pods = new Map<string, PodView>();
  #changed = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #failure: unknown;
  /** Each full listing increments this count. */
  #listings = 0;

  constructor(options: PodWatchOptions) {
    this.#options = options;
  }

  /**
   * Calls `look` with the runner's pod, or with undefined if it has none, until `look` returns a
   * value. The first call uses the current state of the watch, which may be a moment old: a caller
   * that acts on it must handle a changed pod.
   */
  async waitFor<T>(
    owner: PodOwner,
    look: (pod: PodView | undefined) => T | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    this.#running ??= this.#runLoop();
    for (;;) {
      signal.throwIfAborted();
      this.#stop.signal.throwIfAborted();
      const change = this.#changed.promise;
      // A failure ends the wait only for callers that asked before the first listing.
      if (this.#listings === 0 && this.#failure !== undefined) throw this.#failure;
      const result = this.#listings > 0 ? look(this.#findPod(owner)) : undefined;
      if (result !== undefined) return result;
      await waitForChange(change, signal);
    }
  }

  /** Waits like `waitFor` for a limited time; returns undefined on timeout. */
  async waitWithTimeout<T>(
    owner: PodOwner,
    look: (pod: PodView | undefined) => T | undefined,
    { signal, ms }: { signal: AbortSignal; ms: number },
  ): Promise<T | undefined> {
    const time = AbortSignal.timeout(ms);
    try {
      return await this.waitFor(owner, look, AbortSignal.any([signal, time]));
    } catch (error) {
      if (error !== time.reason) throw error;
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the server is stopping"));
    this.#notifyWaiters();
    await this.#running;
  }

  /** Prefers a successor that already exists to a pod that is ending. */
  #findPod(owner: PodOwner): PodView | undefined {
    const all = [...this.#pods.values()].filter((pod) => isOwnedBy(pod, owner));
    return all.find((pod) => !isEnding(pod)) ?? all[0];
  }

  async #runLoop(): Promise<void> {
    const { signal } = this.#stop;
    for (let pause = minRetryDelayMs; !signal.aborted;) {
      try {
        const version = await this.#listPods();
        pause = minRetryDelayMs;
        await this.#watchChanges(version);
      } catch (error) {
        if (signal.aborted) return;
        this.#failure = error;
        this.#notifyWaiters();
        this.#options.log?.warn({ err: error }, "the watch on the cluster's pods failed; retrying");
        await sleep(pause, undefined, { signal }).catch(() => undefined);
        pause = Math.min(pause * 2, maxRetryDelayMs);
      }
    }
  }

  async #listPods(): Promise<string> {
    const { cluster, selector, namespace } = this.#options;
    const list = namespace
      ? await cluster.core.listNamespacedPod({ namespace, labelSelector: selector })
      : await cluster.core.listPodForAllNamespaces({ labelSelector: selector });
    this.#pods.clear();
    for (const item of list.items) this.#updatePod(item);
    this.#listings += 1;
    this.#failure = undefined;
    this.#notifyWaiters();
    return list.metadata?.resourceVersion ?? "";
  }

  /** Watches until the watch ends; fails if a new watch must not continue from the last version. */
  async #watchChanges(startVersion: string): Promise<void> {
    const { cluster, selector, namespace } = this.#options;
    const path = namespace ? `/api/v1/namespaces/${namespace}/pods` : "/api/v1/pods";
    const resync = performance.now() + resyncIntervalMs;
    let version = startVersion;
    while (performance.now() < resync && !this.#stop.signal.aborted) {
      const query = { labelSelector: selector, resourceVersion: version };
      cluster.recordCall({ verb: "watch", group: "", resource: "pods", ...(namespace && { namespace }) });
      version = await this.#watchOnce(path, query, version);
    }
  }

  async #watchOnce(path: string, query: Record<string, string>, startVersion: string): Promise<string> {
    const ended = Promise.withResolvers<void>();
    let version = startVersion;
    const onEvent = (phase: string, object: unknown) => {
      if (phase === "ERROR") return ended.reject(new Error("the watch fell behind"));
      const pod = this.#updatePod(object, phase === "DELETED");
      if (pod) version = pod.metadata.resourceVersion;
      this.#notifyWaiters();
    };
    const watching = await this.#options.cluster.watch.watch(path, query, onEvent, (error: unknown) => {
      // Silence is no failure: the next watch continues from the last version.
      if (error === null || error === undefined || isTimeout(error)) ended.resolve();
      else ended.reject(error);
    });
    const onStop = () => watching.abort();
    this.#stop.signal.addEventListener("abort", onStop, { once: true });
    // The backend may have closed while the watch started.
    if (this.#stop.signal.aborted) onStop();
    try {
      await ended.promise;
    } finally {
      watching.abort();
      this.#stop.signal.removeEventListener("abort", onStop);
    }
    return version;
  }

  #updatePod(object: unknown, isDeleted = false): PodView | undefined {
    const pod = PodView.safeParse(object).data;
    if (!pod) return undefined;
    if (isDeleted) this.#pods.delete(pod.metadata.uid);
    else this.#pods.set(pod.metadata.uid, pod);
    return pod;
  }

  #notifyWaiters(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}

const isTimeout = (error: unknown) => error instanceof Error && error.name === "TimeoutError";

async function waitForChange(change: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([change, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
