import { type RunnerCreate, type RunnerResources, tiers } from "@wharf/contract";
import type { RunnerSpec } from "../backends/index.ts";

/** Allows a build with all its helpers, and stops a fork bomb. */
export const maxProcesses = 1_024;

/** Returns the resources of a runner of a tier. */
export function getResources({ tier, resources }: Pick<RunnerCreate, "tier" | "resources">): RunnerResources {
  return tier === "custom" ? (resources ?? tiers.small) : tiers[tier];
}

/** Converts resources to the numbers that backends enforce. */
export const toLimits = ({ cpu_millicores, memory_mb, storage_gb }: RunnerResources): RunnerSpec["limits"] => ({
  cpu: cpu_millicores / 1000,
  memoryBytes: memory_mb * 1024 ** 2,
  diskBytes: storage_gb * 1024 ** 3,
  processes: maxProcesses,
});
