import { type RunnerCreate, type RunnerResources, tiers } from "@wharf/contract";
import type { RunnerSpec } from "../backends/index.ts";

/** Enough for a build with all its helpers, and an end to a fork bomb. */
const maxProcesses = 1_024;

/** What a runner of a tier may use. */
export function getResources({ tier, resources }: Pick<RunnerCreate, "tier" | "resources">): RunnerResources {
  return tier === "custom" ? (resources ?? tiers.small) : tiers[tier];
}

/** The same in the numbers backends enforce. */
export const toLimits = ({ cpu_millicores, memory_mb, storage_gb }: RunnerResources): RunnerSpec["limits"] => ({
  cpu: cpu_millicores / 1000,
  memoryBytes: memory_mb * 1024 ** 2,
  diskBytes: storage_gb * 1024 ** 3,
  processes: maxProcesses,
});
