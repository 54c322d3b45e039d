import type { RunnerUsage } from "../backend.ts";
import { updateLedger, emptyLedger, Ledger, toLaunchUsage, toRunnerUsage } from "../shared/ledger.ts";
import { getRunningSeconds, readProcFile, parseStatusBytes, type Process } from "./processes.ts";
import { readJson, writeJson, type LaunchRecord, type RunnerFolder } from "./runner-folder.ts";

/**
 * Adds the current usage to the recorded usage. `members` are the runner's processes, none if it is
 * stopped.
 */
export async function measureUsage(
  folder: RunnerFolder,
  launched: LaunchRecord | undefined,
  members: readonly Process[],
): Promise<RunnerUsage> {
  const previous = (await readJson(folder.usageFile, Ledger)) ?? emptyLedger;
  const statuses = members.map((member) => readProcFile(member.pid, "status") ?? "");
  const memoryBytes = statuses.reduce((sum, status) => sum + parseStatusBytes(status, "VmRSS"), 0);
  const updated = updateLedger(previous, {
    launch: launched === undefined ? previous.launch : `${launched.root.pid}@${launched.root.born}`,
    cpuSeconds: members.reduce((sum, member) => sum + member.cpuSeconds, 0),
    // A process's own peak may have been between two samples.
    memoryPeakBytes: Math.max(memoryBytes, ...statuses.map((status) => parseStatusBytes(status, "VmHWM"))),
  });
  if (JSON.stringify(updated) !== JSON.stringify(previous)) await writeJson(folder.usageFile, updated);
  const usage = toRunnerUsage(updated, memoryBytes);
  return launched === undefined
    ? usage
    : { ...usage, launch: toLaunchUsage(updated, getRunningSeconds(launched.root)) };
}
