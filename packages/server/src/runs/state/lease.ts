import { and, count, eq, inArray } from "drizzle-orm";
import { fenceLease, type Lease, LeaseLost, ownsRunner } from "../../runners/index.ts";
import { type Database, type Executor, schema } from "../../store/index.ts";
import { liveRunStatuses } from "./states.ts";

const { runs } = schema;
export type RunRow = typeof runs.$inferSelect;

/** A run in a leased runner. Every write about it is fenced by the runner's lease. */
export interface RunLease {
  readonly lease: Lease;
  readonly run_id: string;
  readonly task_id: string;
}

const isLeased = ({ lease, run_id }: RunLease) =>
  and(eq(runs.id, run_id), eq(runs.runner_id, lease.runner_id), ownsRunner(lease));

/** Reads the run and locks it and its lease until the transaction ends. */
export async function lockLeasedRun(tx: Executor, runLease: RunLease): Promise<RunRow> {
  await fenceLease(tx, runLease.lease);
  const [run] = await tx
    .select()
    .from(runs)
    .where(and(eq(runs.id, runLease.run_id), eq(runs.runner_id, runLease.lease.runner_id)))
    .for("update");
  if (!run) throw new LeaseLost();
  return run;
}

export async function getLeasedRun(db: Database, runLease: RunLease): Promise<RunRow> {
  const [run] = await db.select().from(runs).where(isLeased(runLease));
  if (!run) throw new LeaseLost();
  return run;
}

export async function updateLeasedRun(
  tx: Executor,
  runLease: RunLease,
  change: Partial<typeof runs.$inferInsert>,
): Promise<void> {
  const changedRows = await tx
    .update(runs)
    .set({ ...change, updated_at: new Date() })
    .where(isLeased(runLease))
    .returning({ id: runs.id });
  if (changedRows.length === 0) throw new LeaseLost();
}

/** Counts the runs that have not ended. */
export async function countLiveRuns(db: Database): Promise<number> {
  const [live] = await db
    .select({ n: count() })
    .from(runs)
    .where(inArray(runs.status, [...liveRunStatuses]));
  return live?.n ?? 0;
}
