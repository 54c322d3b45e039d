import { eq } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { requestHolders } from "../../runners/index.ts";
import { schema } from "../../store/index.ts";
import type { RunRow } from "./lease.ts";
import { releaseRunner } from "./release-runner.ts";
import { closeTurn, getOpenTurns, setRunStatus } from "./transitions.ts";

const { runs } = schema;

interface RunOutcome {
  readonly status: "COMPLETED" | "FAILED" | "STOPPED";
  readonly reason: string;
  readonly error_code?: string;
  /** Whether the agent's processes are killed; otherwise the agent is asked to end. */
  readonly isForced?: boolean;
}

/**
 * Requests the end of a run. A run that has not started yet, or waits for a retry, ends at once. A
 * stop that is already requested can only become a forced one.
 */
export async function stopRun(writer: LogWriter, run: RunRow, end: RunOutcome): Promise<void> {
  const isForced = end.isForced === true;
  if (run.desired === "STOP") {
    if (isForced)
      await writer.tx.update(runs).set({ stop_forced: true, updated_at: new Date() }).where(eq(runs.id, run.id));
    return;
  }
  const change = {
    desired: "STOP" as const,
    stop_forced: isForced,
    stop_status: end.status,
    stop_reason: end.reason,
    updated_at: new Date(),
    ...(end.error_code && { error_code: end.error_code }),
  };
  if (run.status !== "PENDING" || run.slot) {
    await writer.tx.update(runs).set(change).where(eq(runs.id, run.id));
    // The runner of a run between turns may be stopped, so that no worker would end the run.
    if (run.runner_id) await requestHolders(writer.tx, [run.runner_id]);
    return;
  }
  for (const turn of await getOpenTurns(writer.tx, run.task_id))
    await closeTurn(writer, turn, { status: "cancelled", reason: end.reason });
  await setRunStatus(writer, run, "STOPPED", change);
  await releaseRunner(writer, run);
  if (run.runner_id) await requestHolders(writer.tx, [run.runner_id]);
}
