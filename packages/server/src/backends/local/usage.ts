import { z } from "zod";
import type { RunnerUsage } from "../backend.ts";
import { readProcFile, statusBytes, type Process } from "./processes.ts";
import { readJson, writeJson, type Launched, type RunnerFolder } from "./runner-folder.ts";

/** What a runner has used, kept on disk so that it never falls: not when processes end, nor when the runner is started again. */
const Ledger = z.object({
  /** By launches before this one. */
  earlierCpuSeconds: z.number(),
  launch: z.string(),
  cpuSeconds: z.number(),
  memoryPeakBytes: z.number(),
});

/** Adds what is seen now to what was seen before. `members` are the runner's processes, none where it is stopped. */
export async function measure(
  folder: RunnerFolder,
  launched: Launched | undefined,
  members: readonly Process[],
): Promise<RunnerUsage> {
  const before = (await readJson(folder.usageFile, Ledger)) ?? {
    earlierCpuSeconds: 0,
    launch: "",
    cpuSeconds: 0,
    memoryPeakBytes: 0,
  };
  const launch = launched === undefined ? before.launch : `${launched.root.pid}@${launched.root.born}`;
  const isSame = launch === before.launch;
  const statuses = members.map((member) => readProcFile(member.pid, "status") ?? "");
  const memoryBytes = statuses.reduce((sum, status) => sum + statusBytes(status, "VmRSS"), 0);
  const after = {
    earlierCpuSeconds: before.earlierCpuSeconds + (isSame ? 0 : before.cpuSeconds),
    launch,
    cpuSeconds: Math.max(
      isSame ? before.cpuSeconds : 0,
      members.reduce((sum, member) => sum + member.cpuSeconds, 0),
    ),
    // One process's own peak may have been between two looks.
    memoryPeakBytes: Math.max(
      before.memoryPeakBytes,
      memoryBytes,
      ...statuses.map((status) => statusBytes(status, "VmHWM")),
    ),
  };
  if (JSON.stringify(after) !== JSON.stringify(before)) await writeJson(folder.usageFile, after);
  return {
    cpuSeconds: after.earlierCpuSeconds + after.cpuSeconds,
    memoryBytes,
    memoryPeakBytes: after.memoryPeakBytes,
  };
}
