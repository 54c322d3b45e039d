import type { ResourceLimits } from "@wharf/contract";
import type { RunnerSpec } from "../../../backends/index.ts";
import { maxProcesses } from "../../../runners/index.ts";

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
