import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunnerSpec } from "../../backend.ts";
import type { CgroupFolder, Controller } from "./hierarchies.ts";

export type Limits = Pick<RunnerSpec["limits"], "cpu" | "memoryBytes" | "processes">;

/** Pairs a file of a cgroup with the value to write to it. */
interface CgroupSetting {
  readonly file: string;
  readonly value: string;
}

const periodUs = 100_000;
const pageBytes = 4096;

/** Returns the setting that limits the controller's resource. */
export function getLimitSetting(version: 1 | 2, controller: Controller, limits: Limits): CgroupSetting {
  const quota = Math.ceil(limits.cpu * periodUs);
  if (controller === "pids") return { file: "pids.max", value: String(limits.processes) };
  if (controller === "memory")
    return { file: version === 2 ? "memory.max" : "memory.limit_in_bytes", value: String(limits.memoryBytes) };
  return version === 2
    ? { file: "cpu.max", value: `${quota} ${periodUs}` }
    : { file: "cpu.cfs_quota_us", value: String(quota) };
}

/**
 * Keeps a runner from using swap beyond its memory limit. Kernels without swap accounting lack the
 * file.
 */
export const getSwapSetting = (version: 1 | 2, limits: Limits): CgroupSetting =>
  version === 2
    ? { file: "memory.swap.max", value: "0" }
    : { file: "memory.memsw.limit_in_bytes", value: String(limits.memoryBytes) };

/** Returns whether the kernel enforces the limit for the cgroup. */
export function isEnforced({ version, path }: CgroupFolder, controller: Controller, limits: Limits): boolean {
  const { file, value } = getLimitSetting(version, controller, limits);
  try {
    const actual = readFileSync(join(path, file), "utf8").trim();
    // The kernel rounds memory to pages, and systemd chooses another period.
    if (controller === "memory") return Math.abs(Number(actual) - Number(value)) < pageBytes;
    if (controller === "cpu" && version === 2) return Math.abs(parseCpus(actual) - parseCpus(value)) < 0.01;
    return actual === value;
  } catch {
    return false;
  }
}

function parseCpus(quotaAndPeriod: string): number {
  const [quota, period] = quotaAndPeriod.split(" ").map(Number);
  return (quota ?? NaN) / (period ?? NaN);
}
