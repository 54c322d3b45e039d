import { NamedTier, type ResourceLimits, type RunnerResources, type Tier, tiers } from "@wharf/contract";
import type { RunnerSpec } from "../../backends/index.ts";
import { maxProcesses } from "../../runners/index.ts";

/** The size of a run's runner. The run keeps it when its task or agent type is changed. */
export interface RunSize {
  readonly tier: Tier;
  readonly resource_limits: ResourceLimits;
}

/** Returns the size that the task names, or else that of the agent type. */
export function getRunSize(
  taskTier: NamedTier | null,
  typeResources: ResourceLimits = formatLimits(tiers.small),
): RunSize {
  if (taskTier !== null) return { tier: taskTier, resource_limits: formatLimits(tiers[taskTier]) };
  const limits = JSON.stringify(parseLimits(typeResources));
  const sameTier = NamedTier.options.find((name) => JSON.stringify(parseLimits(formatLimits(tiers[name]))) === limits);
  return { tier: sameTier ?? "custom", resource_limits: typeResources };
}

const formatLimits = ({ cpu_millicores, memory_mb, storage_gb }: RunnerResources): ResourceLimits => ({
  cpu: (cpu_millicores / 1000).toFixed(1),
  memory: `${memory_mb / 1024}g`,
  disk: `${storage_gb}g`,
});

const units: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

const parseBytes = (text: string) => Number.parseInt(text, 10) * (units[text.at(-1) ?? ""] ?? 1);

/**
 * Converts limits as people write them ("1.5", "512m", "10g") to the numbers that backends enforce.
 */
export function parseLimits(resources: ResourceLimits): RunnerSpec["limits"] {
  return {
    cpu: Number(resources.cpu),
    memoryBytes: parseBytes(resources.memory),
    diskBytes: parseBytes(resources.disk),
    processes: maxProcesses,
  };
}
