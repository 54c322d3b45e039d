import { eq } from "drizzle-orm";
import { schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import { hasOpenPermissions } from "../commands.ts";
import type { RunDeps } from "../deps.ts";
import { lockLeased, type RunLease } from "../lease.ts";
import { openTurn } from "../transitions.ts";

const { runners } = schema;

/** Lets the runner of a run between turns rest, unless something has come up since. The run goes on with the next prompt. */
export function restIdle({ log }: Pick<RunDeps, "log">, at: RunLease, idleMs: number): Promise<void> {
  return log.write(async (writer) => {
    await lockTask(writer.tx, at.task_id);
    const run = await lockLeased(writer.tx, at);
    const isBusy = run.slot || run.queued_at !== null || run.desired !== "RUN" || run.status !== "RUNNING";
    if (isBusy || (await openTurn(writer.tx, at.task_id)) || (await hasOpenPermissions(writer.tx, at.run_id))) return;
    await writer.tx.update(runners).set({ desired: "STOPPED" }).where(eq(runners.id, at.lease.runner_id));
    const message = `The runner is stopped after ${formatMinutes(idleMs)} without a prompt. The next prompt starts it again where it was.`;
    await writer.append(at.task_id, [{ run_id: at.run_id, data: { kind: "notice", message } }]);
  });
}

function formatMinutes(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.max(1, Math.round(ms / 1000))} s`;
  return minutes === 1 ? "a minute" : `${minutes} minutes`;
}
