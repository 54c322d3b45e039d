import { eq } from "drizzle-orm";
import { schema } from "../../../store/index.ts";
import { lockTask } from "../../../tasks/index.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { lockLeasedRun, type RunLease } from "../../state/lease.ts";
import { hasOpenPermissions } from "../../state/open-permissions.ts";
import { getOpenTurn } from "../../state/transitions.ts";

const { runners } = schema;

/**
 * Stops the runner of a run between turns, unless work has come up since. The run continues with
 * the next prompt.
 */
export function stopIdleRunner({ log }: Pick<RunDeps, "log">, runLease: RunLease, idleMs: number): Promise<void> {
  return log.write(async (writer) => {
    await lockTask(writer.tx, runLease.task_id);
    const run = await lockLeasedRun(writer.tx, runLease);
    const isBusy = run.slot || run.queued_at !== null || run.desired !== "RUN" || run.status !== "RUNNING";
    if (
      isBusy ||
      (await getOpenTurn(writer.tx, runLease.task_id)) ||
      (await hasOpenPermissions(writer.tx, runLease.run_id))
    )
      return;
    await writer.tx.update(runners).set({ desired: "STOPPED" }).where(eq(runners.id, runLease.lease.runner_id));
    const message = `The runner was stopped after ${formatMinutes(idleMs)} without a prompt. The next prompt starts it again with its disk.`;
    await writer.append(runLease.task_id, [{ run_id: runLease.run_id, data: { kind: "notice", message } }]);
  });
}

function formatMinutes(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.max(1, Math.round(ms / 1000))} s`;
  return minutes === 1 ? "a minute" : `${minutes} minutes`;
}
