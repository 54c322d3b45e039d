import { and, asc, count, desc, eq, isNotNull, ne, type SQL, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../../store/index.ts";
import { createLease, type Lease, moveLease, ownsRunner, toArray } from "../leases/index.ts";
import type { RunnerRow } from "../runners.ts";

const { runner_leases, runners } = schema;

const isWaiting = and(isNotNull(runners.pool_key), eq(runners.desired, "READY"));
const hasPrograms = (programs: readonly string[]): SQL =>
  sql`${runners.programs} @> ${JSON.stringify(programs)}::jsonb`;
const isLive = sql`${runner_leases.expires_at} > now()`;
const ofRunner = eq(runner_leases.runner_id, runners.id);

/** Returns the runners that wait under this server's leases. */
export async function getWaitingRunners(db: Database, server: string): Promise<RunnerRow[]> {
  const rows = await db
    .select({ runner: runners })
    .from(runners)
    .innerJoin(runner_leases, ofRunner)
    .where(and(isWaiting, eq(runner_leases.server_id, server)));
  return rows.map(({ runner }) => runner);
}

/** Counts the runners that wait on other servers, by pool key. */
export async function countOnOtherServers(db: Executor, server: string): Promise<Map<string, number>> {
  const rows = await db
    .select({ key: runners.pool_key, n: count() })
    .from(runners)
    .innerJoin(runner_leases, ofRunner)
    .where(and(isWaiting, ne(runner_leases.server_id, server), isLive))
    .groupBy(runners.pool_key);
  return new Map(rows.map(({ key, n }) => [key ?? "", n]));
}

export type NewWarmRunner = Pick<RunnerRow, "id" | "backend" | "isolation" | "tier" | "resources" | "programs"> & {
  readonly pool_key: string;
};

export interface WarmRunner {
  readonly runner: RunnerRow;
  readonly lease: Lease;
}

/** Stores one more waiting runner under this server's lease, unless the target size is reached. */
export function createWaitingRunner(
  db: Database,
  row: NewWarmRunner,
  { server_id, place, size }: { server_id: string; place: string; size: number },
): Promise<WarmRunner | undefined> {
  return db.transaction(async (tx) => {
    // Two servers that count together would both add the last one.
    await tx.select({ lock: sql`pg_advisory_xact_lock(${poolLockKey})` }).from(sql`(values (1)) as one`);
    const [existing] = await tx
      .select({ n: count() })
      .from(runners)
      .innerJoin(runner_leases, ofRunner)
      .where(
        and(
          isWaiting,
          eq(runners.pool_key, row.pool_key),
          hasPrograms(row.programs),
          // A runner of this place without a server is about to be adopted.
          sql`(${runner_leases.place} = ${place} or ${isLive})`,
        ),
      );
    if ((existing?.n ?? 0) >= size) return undefined;
    const [runner] = await tx.insert(runners).values(row).returning();
    return { runner: runner!, lease: await createLease(tx, { runner_id: row.id, server_id, place }) };
  });
}

export interface PoolClaim {
  readonly pool_key: string;
  readonly programs: readonly string[];
  readonly server_id: string;
  readonly place: string;
  /**
   * Runners to which this server has a live link. Among this server's runners, only these are
   * claimable; other servers vouch for theirs.
   */
  readonly alive: readonly string[];
}

/**
 * Takes a runner out of the pool permanently and stores its owner, with the lease. The caller's
 * transaction makes this atomic: no other claim gets the same runner, and if the transaction fails
 * the runner keeps waiting.
 */
export async function claimWaitingRunner(
  tx: Executor,
  { pool_key, programs, server_id, place, alive: aliveIds }: PoolClaim,
  change: Partial<RunnerRow> = {},
): Promise<WarmRunner | undefined> {
  const isLocal = sql`(${runners.id} = any(${toArray(aliveIds)}::uuid[]) and ${runner_leases.server_id} = ${server_id})`;
  const isRemote = sql`(${runner_leases.server_id} <> ${server_id} and ${isLive})`;
  const [next] = await tx
    .select({ id: runners.id, server_id: runner_leases.server_id, epoch: runner_leases.epoch })
    .from(runners)
    .innerJoin(runner_leases, ofRunner)
    .where(
      and(
        eq(runners.pool_key, pool_key),
        isWaiting,
        eq(runners.state, "READY"),
        hasPrograms(programs),
        eq(runner_leases.place, place),
        sql`(${isLocal} or ${isRemote})`,
      ),
    )
    .orderBy(desc(isLocal), asc(runners.created_at))
    .limit(1)
    .for("update", { of: runners, skipLocked: true });
  if (!next) return undefined;
  const isOwn = next.server_id === server_id;
  const lease = isOwn
    ? { runner_id: next.id, server_id, epoch: next.epoch }
    : await moveLease(tx, { runner_id: next.id, server_id });
  const timestamp = new Date();
  const [runner] = await tx
    .update(runners)
    .set({ pool_key: null, created_at: timestamp, updated_at: timestamp, ...change })
    .where(eq(runners.id, next.id))
    .returning();
  return { runner: runner!, lease };
}

/** Sets the state of a runner; returns false if it no longer waits. */
export async function setWaiting(db: Database, lease: Lease, state: "CREATING" | "READY"): Promise<boolean> {
  const rows = await db
    .update(runners)
    .set({ state, updated_at: new Date() })
    .where(and(eq(runners.id, lease.runner_id), isWaiting, ownsRunner(lease)))
    .returning({ id: runners.id });
  return rows.length > 0;
}

/** Discards a waiting runner; returns false if it has been claimed. */
export async function discardWaitingRunner(db: Database, lease: Lease): Promise<boolean> {
  const rows = await db
    .update(runners)
    .set({ pool_key: null, desired: "DESTROYED", updated_at: new Date() })
    .where(and(eq(runners.id, lease.runner_id), isNotNull(runners.pool_key), ownsRunner(lease)))
    .returning({ id: runners.id });
  return rows.length > 0;
}

/** Number of the advisory lock; Wharf must use it for nothing else. */
const poolLockKey = 0x70_6f_6f_6c;
