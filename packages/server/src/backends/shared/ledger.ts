import { z } from "zod";
import type { LaunchUsage, RunnerUsage } from "../backend.ts";

/**
 * Holds a runner's usage, which never falls: not when processes end, nor when the runner starts
 * again.
 */
export const Ledger = z.object({
  /** Sums the launches before this one. */
  earlierCpuSeconds: z.number(),
  /** Identifies the launch of the runner that the next numbers count. */
  launch: z.string(),
  cpuSeconds: z.number(),
  memoryPeakBytes: z.number(),
});
export type Ledger = z.infer<typeof Ledger>;

export const emptyLedger: Ledger = { earlierCpuSeconds: 0, launch: "", cpuSeconds: 0, memoryPeakBytes: 0 };

/** Adds a sample of a launch to the recorded usage; no number becomes smaller. */
export function updateLedger(
  previous: Ledger,
  sample: { readonly launch: string; readonly cpuSeconds: number; readonly memoryPeakBytes: number },
): Ledger {
  const isSame = sample.launch === previous.launch;
  return {
    earlierCpuSeconds: previous.earlierCpuSeconds + (isSame ? 0 : previous.cpuSeconds),
    launch: sample.launch,
    cpuSeconds: Math.max(isSame ? previous.cpuSeconds : 0, sample.cpuSeconds),
    memoryPeakBytes: Math.max(previous.memoryPeakBytes, sample.memoryPeakBytes),
  };
}

export const toRunnerUsage = (ledger: Ledger, memoryBytes: number): RunnerUsage => ({
  cpuSeconds: ledger.earlierCpuSeconds + ledger.cpuSeconds,
  memoryBytes,
  memoryPeakBytes: ledger.memoryPeakBytes,
});

export const toLaunchUsage = ({ launch, cpuSeconds }: Ledger, runningSeconds: number): LaunchUsage => ({
  id: launch,
  cpuSeconds,
  runningSeconds,
});
