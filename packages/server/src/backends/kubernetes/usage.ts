import { text } from "node:stream/consumers";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import type { RunnerUsage } from "../backend.ts";
import { ApiFailure } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { containerName } from "./objects/pod.ts";
import { isRunning, type PodView } from "./pods/pod-view.ts";
import { openExecStream } from "./wire/exec-stream.ts";

const Summary = z.object({
  pods: z.array(
    z.object({
      podRef: z.object({ uid: z.string() }),
      cpu: z.object({ usageCoreNanoSeconds: z.number() }).partial().optional(),
      memory: z.object({ workingSetBytes: z.number(), usageBytes: z.number() }).partial().optional(),
    }),
  ),
});

const execTimeoutMs = 15_000;
export const zeroUsage: RunnerUsage = { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0 };

/**
 * Measures a running pod's usage: through its node's kubelet if the server may ask it, otherwise
 * with a program that the API starts beside the daemon to read the container's cgroup files. The
 * metrics API reports a rate and no sum, so Wharf does not use it; Wharf never asks the daemon.
 */
export class UsageMeter {
  readonly #cluster: Cluster;
  #mayAskKubelet = true;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async measure(pod: PodView): Promise<RunnerUsage> {
    if (!isRunning(pod)) return zeroUsage;
    const usage = await this.#measureRunning(pod);
    const startedMs = pod.status.startTime?.getTime() ?? Date.now();
    const runningSeconds = (Date.now() - startedMs) / 1000;
    return { ...usage, launch: { id: pod.metadata.uid, cpuSeconds: usage.cpuSeconds, runningSeconds } };
  }

  async #measureRunning(pod: PodView): Promise<RunnerUsage> {
    if (this.#mayAskKubelet) {
      const reported = await this.#getKubeletUsage(pod).catch((error: unknown) => {
        if (!(error instanceof ApiFailure)) throw error;
        if (error.status === 403) this.#mayAskKubelet = false;
        return undefined;
      });
      if (reported) return reported;
    }
    return this.#getCgroupUsage(pod);
  }

  async #getKubeletUsage({ metadata, spec }: PodView): Promise<RunnerUsage | undefined> {
    if (!spec.nodeName) return undefined;
    const answer: unknown = await this.#cluster.core.connectGetNodeProxyWithPath({
      name: spec.nodeName,
      path: "stats/summary",
    });
    const summary = Summary.safeParse(typeof answer === "string" ? JSON.parse(answer) : answer).data;
    const podStats = summary?.pods.find(({ podRef }) => podRef.uid === metadata.uid);
    const { usageCoreNanoSeconds } = podStats?.cpu ?? {};
    // A young pod is missing from the kubelet's figures.
    if (!usageCoreNanoSeconds) return undefined;
    const memoryBytes = podStats?.memory?.workingSetBytes ?? 0;
    const memoryPeakBytes = Math.max(memoryBytes, podStats?.memory?.usageBytes ?? 0);
    return { cpuSeconds: usageCoreNanoSeconds / 1e9, memoryBytes, memoryPeakBytes };
  }

  async #getCgroupUsage({ metadata: { namespace, name } }: PodView): Promise<RunnerUsage> {
    const signal = AbortSignal.timeout(execTimeoutMs);
    const command = ["/bin/sh", "-c", cgroupScript];
    const stream = await openExecStream(
      this.#cluster,
      { namespace, pod: name, container: containerName, command },
      signal,
    );
    const lines = (await text(stream)).split("\n");
    const getFigure = (word: string) => Number(lines.find((line) => line.startsWith(`${word} `))?.split(" ")[1]);
    const microseconds = getFigure("usage_usec");
    const cpuSeconds = Number.isFinite(microseconds) ? microseconds / 1e6 : getFigure("nanoseconds") / 1e9;
    const memoryBytes = getFigure("memory");
    if (!Number.isFinite(cpuSeconds) || !Number.isFinite(memoryBytes)) {
      throw new WharfError("backend_failed", { backend: "kubernetes", reason: "could not read a container's cgroup" });
    }
    return { cpuSeconds, memoryBytes, memoryPeakBytes: Math.max(memoryBytes, getFigure("peak") || 0) };
  }
}

/** Reads both versions of cgroups; a missing file adds no line. */
const cgroupScript = [
  "cd /sys/fs/cgroup",
  "cat cpu.stat 2>/dev/null",
  'say() { [ -r "$2" ] && echo "$1 $(cat "$2")"; }',
  "say nanoseconds cpuacct/cpuacct.usage",
  "say memory memory.current",
  "say peak memory.peak",
  "say memory memory/memory.usage_in_bytes",
  "say peak memory/memory.max_usage_in_bytes",
  "true",
].join("\n");
