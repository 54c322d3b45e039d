import { and, count, eq, inArray, isNotNull, isNull, lte, notInArray, or, sql } from "drizzle-orm";
import { liveRunStatuses } from "./states.ts";
import { type Database, type Executor, schema } from "../store/index.ts";

const { runs } = schema;
export type RunRow = typeof runs.$inferSelect;

/** A lease that isn't renewed for this long may be taken by another. */
const leaseSeconds = 15;
const leaseEnd = sql`now() + make_interval(secs => ${leaseSeconds})`;
export const leaseRenewal = 5_000; // ms

/** The right to write to a run. A higher epoch ends it. */
export interface Lease {
  readonly run_id: string;
  readonly task_id: string;
  readonly owner: string;
  readonly epoch: number;
}

/** The run is not ours any more: another took it, or it is gone. Whoever sees this stops without a word. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

const toLease = (run: RunRow): Lease => ({
  run_id: run.id,
  task_id: run.task_id,
  owner: run.lease_owner ?? "",
  epoch: run.lease_epoch,
});
const held = (lease: Lease) =>
  and(eq(runs.id, lease.run_id), eq(runs.lease_owner, lease.owner), eq(runs.lease_epoch, lease.epoch));

/** The run as it is now, locked until the transaction ends, if the lease still holds. */
export async function lockLeased(tx: Executor, lease: Lease): Promise<RunRow> {
  const [run] = await tx.select().from(runs).where(held(lease)).for("update");
  if (!run) throw new LeaseLost();
  return run;
}

export async function readLeased(db: Database, lease: Lease): Promise<RunRow> {
  const [run] = await db.select().from(runs).where(held(lease));
  if (!run) throw new LeaseLost();
  return run;
}

export async function updateLeased(
  tx: Executor,
  lease: Lease,
  change: Partial<typeof runs.$inferInsert>,
): Promise<void> {
  const changed = await tx
    .update(runs)
    .set({ ...change, updated_at: new Date() })
    .where(held(lease))
    .returning({ id: runs.id });
  if (changed.length === 0) throw new LeaseLost();
}

/**
 * Gives free slots to the runs that wait for one, most important first, then longest waiting. A new run comes with its
 * lease; one that only began another turn keeps the lease it has.
 */
export async function claimQueued(
  db: Database,
  owner: string,
  capacity: number,
): Promise<{ leases: Lease[]; resumed: string[] }> {
  return db.transaction(async (tx) => {
    // One claim at a time: two servers that count the slots together would give the last one away twice.
    await tx.select({ lock: sql`pg_advisory_xact_lock(${queueLock})` }).from(sql`(values (1)) as one`);
    const [used] = await tx
      .select({ n: sql<number>`count(*)::int` })
      .from(runs)
      .where(eq(runs.slot, true));
    const free = capacity - (used?.n ?? 0);
    if (free <= 0) return { leases: [], resumed: [] };
    const due = or(isNull(runs.next_attempt_at), lte(runs.next_attempt_at, sql`now()`));
    const waiting = await tx
      .select()
      .from(runs)
      .where(and(isNotNull(runs.queued_at), due))
      .orderBy(sql`${runs.priority} desc`, runs.queued_at)
      .limit(free)
      .for("update", { skipLocked: true });
    if (waiting.length === 0) return { leases: [], resumed: [] };
    const ids = waiting.map((run) => run.id);
    await tx.update(runs).set({ slot: true, queued_at: null, next_attempt_at: null }).where(inArray(runs.id, ids));
    const fresh = waiting.filter((run) => run.status === "PENDING").map((run) => run.id);
    const leases = fresh.length === 0 ? [] : await takeLeases(tx, owner, fresh);
    return { leases, resumed: ids.filter((id) => !fresh.includes(id)) };
  });
}

/** Takes over runs whose holder is gone: its lease ran out, or it was an earlier process of this same server. */
export async function adoptRuns(db: Database, owner: string, driven: readonly string[]): Promise<Lease[]> {
  return db.transaction(async (tx) => {
    const orphan = or(
      isNull(runs.lease_owner),
      lte(runs.lease_expires_at, sql`now()`),
      and(eq(runs.lease_owner, owner), driven.length > 0 ? notInArray(runs.id, [...driven]) : undefined),
    );
    const alive = or(
      inArray(runs.status, ["STARTING", "RUNNING", "PAUSED"]),
      and(eq(runs.status, "PENDING"), eq(runs.slot, true)),
    );
    const found = await tx
      .select({ id: runs.id })
      .from(runs)
      .where(and(alive, orphan))
      .for("update", { skipLocked: true });
    return found.length === 0
      ? []
      : takeLeases(
          tx,
          owner,
          found.map((run) => run.id),
        );
  });
}

/** Runs that are not over. */
export async function countLive(db: Database): Promise<number> {
  const [live] = await db
    .select({ n: count() })
    .from(runs)
    .where(inArray(runs.status, [...liveRunStatuses]));
  return live?.n ?? 0;
}

async function takeLeases(tx: Executor, owner: string, ids: string[]): Promise<Lease[]> {
  const rows = await tx
    .update(runs)
    .set({ lease_owner: owner, lease_epoch: sql`${runs.lease_epoch} + 1`, lease_expires_at: leaseEnd })
    .where(inArray(runs.id, ids))
    .returning();
  return rows.map(toLease);
}

/** Keeps leases; answers with the runs that still are ours. */
export async function renewLeases(db: Database, owner: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .update(runs)
    .set({ lease_expires_at: leaseEnd })
    .where(and(eq(runs.lease_owner, owner), inArray(runs.id, [...ids])))
    .returning({ id: runs.id });
  return new Set(rows.map((row) => row.id));
}

/** An advisory lock's number; it only has to be Wharf's own. */
const queueLock = 0x71_75_65_75;
