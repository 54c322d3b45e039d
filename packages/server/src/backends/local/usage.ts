import type { RunnerUsage } from "../backend.ts";
import { advance, emptyLedger, Ledger, usageOf } from "../shared/ledger.ts";
import { readProcFile, statusBytes, type Process } from "./processes.ts";
import { readJson, writeJson, type Launched, type RunnerFolder } from "./runner-folder.ts";

/** Adds what is seen now to what was seen before. `members` are the runner's processes, none where it is stopped. */
export async function measure(
  folder: RunnerFolder,
  launched: Launched | undefined,
  members: readonly Process[],
): Promise<RunnerUsage> {
  const before = (await readJson(folder.usageFile, Ledger)) ?? emptyLedger;
  const statuses = members.map((member) => readProcFile(member.pid, "status") ?? "");
  const memoryBytes = statuses.reduce((sum, status) => sum + statusBytes(status, "VmRSS"), 0);
  const after = advance(before, {
    launch: launched === undefined ? before.launch : `${launched.root.pid}@${launched.root.born}`,
    cpuSeconds: members.reduce((sum, member) => sum + member.cpuSeconds, 0),
    // One process's own peak may have been between two looks.
    memoryPeakBytes: Math.max(memoryBytes, ...statuses.map((status) => statusBytes(status, "VmHWM"))),
  });
  if (JSON.stringify(after) !== JSON.stringify(before)) await writeJson(folder.usageFile, after);
  return usageOf(after, memoryBytes);
}
