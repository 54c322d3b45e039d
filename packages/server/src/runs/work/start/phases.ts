import type { RunPhase } from "@wharf/contract";
import { LeaseLost } from "../../../runners/index.ts";
import { lockTask } from "../../../tasks/index.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { InterruptedError } from "../../shared/run-watch.ts";
import { type RunLease, updateLeasedRun } from "../../state/lease.ts";

export interface PhaseWork<T> {
  readonly phase: RunPhase;
  readonly work: () => Promise<T>;
  readonly message?: string;
}

/** Runs one step of a run's start and logs its beginning, its result and its duration. */
export async function runPhase<T>(
  { log }: Pick<RunDeps, "log">,
  runLease: RunLease,
  { phase, work, message }: PhaseWork<T>,
): Promise<T> {
  const started = performance.now();
  const reportStatus = (status: "started" | "done" | "failed") =>
    log.write(async (writer) => {
      await lockTask(writer.tx, runLease.task_id);
      await updateLeasedRun(writer.tx, runLease, { phase });
      const times = status === "started" ? {} : { elapsed_ms: Math.round(performance.now() - started) };
      await writer.append(runLease.task_id, [
        { run_id: runLease.run_id, data: { kind: "phase", phase, status, ...times, ...(message && { message }) } },
      ]);
    });
  await reportStatus("started");
  try {
    const result = await work();
    await reportStatus("done");
    return result;
  } catch (error) {
    if (!(error instanceof LeaseLost) && !(error instanceof InterruptedError)) await reportStatus("failed");
    throw error;
  }
}
