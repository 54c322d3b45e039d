import { and, asc, count, desc, eq, inArray, isNotNull, lte, or, type SQL, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../../store/index.ts";
import type { RunnerRow } from "../runners.ts";

const { runners } = schema;

/** A server that does not say for this long that its runners wait is gone, and another takes them up. */
const leaseSeconds = 15;
const leaseEnd = sql`now() + make_interval(secs => ${leaseSeconds})`;
/** Well within the lease. */
export const leaseRenewal = 5_000; // ms

const waiting = and(isNotNull(runners.pool_key), eq(runners.desired, "READY"));
const has = (programs: readonly string[]): SQL => sql`${runners.programs} @> ${JSON.stringify(programs)}::jsonb`;
const outOfPool = { pool_key: null, pool_owner: null, pool_expires_at: null };

/**
 * Looks after the runners that wait: says that this server's still are, and takes up those whose server is gone. One that
 * is being claimed is left out, so that nothing here waits for a claim.
 */
export async function keepWaiting(db: Database, server: string): Promise<RunnerRow[]> {
  const mine = or(eq(runners.pool_owner, server), lte(runners.pool_expires_at, sql`now()`));
  const kept = db
    .select({ id: runners.id })
    .from(runners)
    .where(and(waiting, mine))
    .for("update", { skipLocked: true });
  return await db
    .update(runners)
    .set({ pool_owner: server, pool_expires_at: leaseEnd })
    .where(inArray(runners.id, kept))
    .returning();
}

export function ownWaiting(db: Database, server: string): Promise<RunnerRow[]> {
  return db
    .select()
    .from(runners)
    .where(and(waiting, eq(runners.pool_owner, server)));
}

/** How many wait with other servers, by what they are like. */
export async function countElsewhere(db: Executor, server: string): Promise<Map<string, number>> {
  const elsewhere = sql`${runners.pool_owner} <> ${server} and ${runners.pool_expires_at} > now()`;
  const rows = await db
    .select({ key: runners.pool_key, n: count() })
    .from(runners)
    .where(and(waiting, elsewhere))
    .groupBy(runners.pool_key);
  return new Map(rows.map(({ key, n }) => [key ?? "", n]));
}

export type NewWarmRunner = Pick<RunnerRow, "id" | "backend" | "isolation" | "tier" | "resources" | "programs"> & {
  readonly pool_key: string;
  readonly pool_owner: string;
};

/** Writes down one more, unless there are as many as are wanted. */
export function addWaiting(db: Database, row: NewWarmRunner, size: number): Promise<RunnerRow | undefined> {
  return db.transaction(async (tx) => {
    // Two servers that count together would both add the last one.
    await tx.select({ lock: sql`pg_advisory_xact_lock(${poolLock})` }).from(sql`(values (1)) as one`);
    const counted = or(eq(runners.pool_owner, row.pool_owner), sql`${runners.pool_expires_at} > now()`);
    const [there] = await tx
      .select({ n: count() })
      .from(runners)
      .where(and(waiting, eq(runners.pool_key, row.pool_key), has(row.programs), counted));
    if ((there?.n ?? 0) >= size) return undefined;
    const [added] = await tx
      .insert(runners)
      .values({ ...row, pool_expires_at: leaseEnd })
      .returning();
    return added;
  });
}

export interface Claim {
  readonly pool_key: string;
  readonly programs: readonly string[];
  readonly server: string;
  /** Those this server has a live wire to. Of its own only these are given; for others' their server stands. */
  readonly alive: readonly string[];
}

/** Takes one out of the pool for good and writes down whose it is, in one statement: nobody else can have it too. */
export async function claimWaiting(
  db: Executor,
  { pool_key, programs, server, alive }: Claim,
  change: Partial<RunnerRow> = {},
): Promise<RunnerRow | undefined> {
  const here = sql`${runners.id} = any(${`{${alive.join(",")}}`}::uuid[])`;
  const elsewhere = sql`(${runners.pool_owner} <> ${server} and ${runners.pool_expires_at} > now())`;
  const next = db
    .select({ id: runners.id })
    .from(runners)
    .where(and(eq(runners.pool_key, pool_key), waiting, eq(runners.state, "READY"), has(programs), or(here, elsewhere)))
    .orderBy(desc(here), asc(runners.created_at))
    .limit(1)
    .for("update", { skipLocked: true });
  const [claimed] = await db
    .update(runners)
    .set({ ...outOfPool, created_at: new Date(), updated_at: new Date(), ...change })
    .where(sql`${runners.id} = ${next}`)
    .returning();
  return claimed;
}

/** Whether it waits still, and is now as told. */
export async function setWaiting(db: Database, id: string, state: "CREATING" | "READY"): Promise<boolean> {
  const rows = await db
    .update(runners)
    .set({ state, updated_at: new Date() })
    .where(and(eq(runners.id, id), waiting))
    .returning({ id: runners.id });
  return rows.length > 0;
}

/** Gives up one that waits; false where somebody has claimed it. */
export async function giveUpWaiting(db: Database, id: string): Promise<boolean> {
  const rows = await db
    .update(runners)
    .set({ ...outOfPool, desired: "DESTROYED", updated_at: new Date() })
    .where(and(eq(runners.id, id), isNotNull(runners.pool_key)))
    .returning({ id: runners.id });
  return rows.length > 0;
}

/** An advisory lock's number; it only has to be Wharf's own. */
const poolLock = 0x70_6f_6f_6c;
