import { toOneLine } from "@wharf/contract";

/** What a backend's counters show of a launch of a runner. */
export interface RunnerMeasurement {
  readonly launch: { readonly id: string; readonly cpuSeconds: number; readonly runningSeconds: number };
  readonly memoryBytes: number;
}

/** A measurement, ready for the database. */
export interface RunnerSample {
  readonly runner_id: string;
  /** The lease under which the runner was measured: samples of former holders do not count. */
  readonly epoch: number;
  readonly launch: string;
  readonly cpu_ms: number;
  readonly running_ms: number;
  readonly memory_bytes: number;
}

const maxLaunchBytes = 200;
/** No counter is higher: 300 years, and 64 TiB of memory. */
const maxMs = 1e13;
const maxMemoryBytes = 2 ** 46;

/** Returns undefined if the numbers, which come from outside, cannot be right. */
export function createRunnerSample(
  { runner_id, epoch }: { readonly runner_id: string; readonly epoch: number },
  { launch, memoryBytes }: RunnerMeasurement,
): RunnerSample | undefined {
  // Clocks of the engine and of this machine may differ by more than a short time of running.
  const runningMs = Math.max(0, launch.runningSeconds * 1000);
  const cpuMs = launch.cpuSeconds * 1000;
  if (!isCount(cpuMs, maxMs) || !isCount(runningMs, maxMs) || !isCount(memoryBytes, maxMemoryBytes)) return undefined;
  return {
    runner_id,
    epoch,
    launch: toOneLine(launch.id, maxLaunchBytes),
    cpu_ms: Math.round(cpuMs),
    running_ms: Math.round(runningMs),
    memory_bytes: Math.round(memoryBytes),
  };
}

/** False for NaN too. */
const isCount = (value: number, max: number): boolean => value >= 0 && value <= max;
