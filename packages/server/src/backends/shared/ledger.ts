import { z } from "zod";
import type { RunnerUsage } from "../backend.ts";

/** What a runner has used, kept where it never falls: not when processes end, nor when the runner is started again. */
export const Ledger = z.object({
  /** By launches before this one. */
  earlierCpuSeconds: z.number(),
  /** Which start of the runner the next numbers are of. */
  launch: z.string(),
  cpuSeconds: z.number(),
  memoryPeakBytes: z.number(),
});
export type Ledger = z.infer<typeof Ledger>;

export const emptyLedger: Ledger = { earlierCpuSeconds: 0, launch: "", cpuSeconds: 0, memoryPeakBytes: 0 };

/** Adds what is seen of a launch to what was seen before; nothing becomes less by it. */
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
