import { lockTask } from "../../tasks/index.ts";
import { lockLeasedRun, type RunLease } from "../state/lease.ts";
import type { RunDeps } from "./deps.ts";

/** Writes a notice about a run to its task's log while the lease is valid. */
export async function appendNotice(log: RunDeps["log"], lease: RunLease, message: string): Promise<void> {
  await log.write(async (writer) => {
    await lockTask(writer.tx, lease.task_id);
    await lockLeasedRun(writer.tx, lease);
    await writer.append(lease.task_id, [{ run_id: lease.run_id, data: { kind: "notice", message } }]);
  });
}
