import type { RunPhase } from "@wharf/contract";
import { LeaseLost } from "../runners/index.ts";
import { lockTask } from "../tasks/index.ts";
import type { RunDeps } from "./deps.ts";
import { type RunLease, updateLeased } from "./lease.ts";
import { Interrupted } from "./workers/watch.ts";

export interface Phase<T> {
  readonly phase: RunPhase;
  readonly work: () => Promise<T>;
  readonly message?: string;
}

/** Does one step of a run's start, and reports in the log that it began and how it ended, with its time. */
export async function reportPhase<T>(
  { log }: Pick<RunDeps, "log">,
  at: RunLease,
  { phase, work, message }: Phase<T>,
): Promise<T> {
  const started = performance.now();
  const report = (status: "started" | "done" | "failed") =>
    log.write(async (writer) => {
      await lockTask(writer.tx, at.task_id);
      await updateLeased(writer.tx, at, { phase });
      const times = status === "started" ? {} : { elapsed_ms: Math.round(performance.now() - started) };
      await writer.append(at.task_id, [
        { run_id: at.run_id, data: { kind: "phase", phase, status, ...times, ...(message && { message }) } },
      ]);
    });
  await report("started");
  try {
    const result = await work();
    await report("done");
    return result;
  } catch (error) {
    if (!(error instanceof LeaseLost) && !(error instanceof Interrupted)) await report("failed");
    throw error;
  }
}
