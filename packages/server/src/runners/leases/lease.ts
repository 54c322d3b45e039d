import { and, eq, inArray, lte, not, type SQL, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../../store/index.ts";

const { pushes, runner_leases, runners } = schema;

/** Another server may take a lease that is not renewed for this long. */
const leaseSeconds = 15;
const leaseEnd = sql`now() + make_interval(secs => ${leaseSeconds})`;
/** Much shorter than the lease. */
export const renewalIntervalMs = 5_000;

/**
 * The right of one server to act on a runner: to call its backend, to open its link, and to write
 * about it and its runs. Each new holder has a higher epoch, which is also the epoch of its links,
 * so an earlier holder can neither write nor reach the daemon.
 *
 * In the row, `expires_at` is the time when the next server may take the lease. If no server holds
 * it, a holder is due at that time; without a time the runner is stopped and needs none.
 */
export interface Lease {
  readonly runner_id: string;
  readonly server_id: string;
  readonly epoch: number;
}

/**
 * The lease has passed to another holder, or its runner is deleted. The previous holder stops
 * without writing anything more.
 */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

const isHeld = ({ runner_id, server_id, epoch }: Lease) =>
  and(eq(runner_leases.runner_id, runner_id), eq(runner_leases.server_id, server_id), eq(runner_leases.epoch, epoch));

const toLease = (row: typeof runner_leases.$inferSelect): Lease => ({
  runner_id: row.runner_id,
  server_id: row.server_id ?? "",
  epoch: row.epoch,
});

/** Ensures that no other server takes the lease before the transaction ends. */
export async function fenceLease(tx: Executor, lease: Lease): Promise<void> {
  const [row] = await tx
    .select({ epoch: runner_leases.epoch })
    .from(runner_leases)
    .where(isHeld(lease))
    .for("key share");
  if (!row) throw new LeaseLost();
}

/** Expresses the same check as a condition for a statement about the runner. */
export const ownsRunner = ({ runner_id, server_id, epoch }: Lease): SQL => sql`exists (
  select 1 from ${runner_leases}
  where ${runner_leases.runner_id} = ${runner_id}
    and ${runner_leases.server_id} = ${server_id}
    and ${runner_leases.epoch} = ${epoch}
)`;

/** Stores a new runner's lease, in the same transaction as the runner's row. */
export async function createLease(
  tx: Executor,
  lease: { readonly runner_id: string; readonly server_id: string; readonly place: string },
): Promise<Lease> {
  const [row] = await tx
    .insert(runner_leases)
    .values({ ...lease, epoch: 1, expires_at: leaseEnd })
    .returning();
  return toLease(row!);
}

/**
 * Takes the lease of a runner in this place, unless another server holds it. A lease that this
 * server already holds is returned unchanged.
 */
export async function takeLease(
  tx: Executor,
  { runner_id, server_id, place }: { runner_id: string; server_id: string; place: string },
): Promise<Lease | undefined> {
  const leaseInPlace = and(eq(runner_leases.runner_id, runner_id), eq(runner_leases.place, place));
  const [row] = await tx.select().from(runner_leases).where(leaseInPlace).for("update");
  if (!row) return undefined;
  const isRunning = row.server_id !== null && row.expires_at !== null && row.expires_at > new Date();
  if (isRunning && row.server_id === server_id) return toLease(row);
  if (isRunning && row.server_id !== server_id) return undefined;
  return moveLease(tx, { runner_id, server_id });
}

/** Moves the lease to the server, regardless of its current holder. */
export async function moveLease(
  tx: Executor,
  { runner_id, server_id }: { runner_id: string; server_id: string },
): Promise<Lease> {
  const [row] = await tx
    .update(runner_leases)
    .set({ server_id, epoch: sql`${runner_leases.epoch} + 1`, expires_at: leaseEnd })
    .where(eq(runner_leases.runner_id, runner_id))
    .returning();
  if (!row) throw new LeaseLost();
  return toLease(row);
}

export interface AdoptionRequest {
  readonly server_id: string;
  readonly place: string;
  /**
   * Runners this process holds: during a database outage it could not renew their leases, but
   * continues to work.
   */
  readonly held: readonly string[];
  readonly limit: number;
}

/** Takes expired leases, and those of runners that are due for a holder. */
export async function adoptLeases(
  db: Database,
  { server_id, place, held: heldIds, limit }: AdoptionRequest,
): Promise<Lease[]> {
  const isOwnHeld = sql`(coalesce(${runner_leases.server_id} = ${server_id}, false) and ${runner_leases.runner_id} = any(${toArray(heldIds)}::uuid[]))`;
  return db.transaction(async (tx) => {
    const due = await tx
      .select({ runner_id: runner_leases.runner_id })
      .from(runner_leases)
      .where(and(eq(runner_leases.place, place), lte(runner_leases.expires_at, sql`now()`), not(isOwnHeld)))
      .orderBy(runner_leases.expires_at)
      .limit(limit)
      .for("update", { skipLocked: true });
    if (due.length === 0) return [];
    const ids = due.map(({ runner_id }) => runner_id);
    const rows = await tx
      .update(runner_leases)
      .set({ server_id, epoch: sql`${runner_leases.epoch} + 1`, expires_at: leaseEnd })
      .where(inArray(runner_leases.runner_id, ids))
      .returning();
    return rows.map(toLease);
  });
}

/**
 * Extends leases, except rows that are locked at the moment. Returns the runners whose lease is
 * lost.
 */
export async function renewLeases(db: Database, serverId: string, leases: readonly Lease[]): Promise<Set<string>> {
  if (leases.length === 0) return new Set();
  const ids = sql`any(${toArray(leases.map(({ runner_id }) => runner_id))}::uuid[])`;
  const ownLeases = and(sql`${runner_leases.runner_id} = ${ids}`, eq(runner_leases.server_id, serverId));
  const unlocked = db
    .select({ runner_id: runner_leases.runner_id })
    .from(runner_leases)
    .where(ownLeases)
    .for("no key update", { skipLocked: true });
  await db.update(runner_leases).set({ expires_at: leaseEnd }).where(inArray(runner_leases.runner_id, unlocked));
  const rows = await db
    .select({ runner_id: runner_leases.runner_id, epoch: runner_leases.epoch })
    .from(runner_leases)
    .where(ownLeases);
  const epochs = new Map(rows.map(({ runner_id, epoch }) => [runner_id, epoch]));
  return new Set(leases.filter((one) => epochs.get(one.runner_id) !== one.epoch).map(({ runner_id }) => runner_id));
}

/** Releases the lease; a holder is due again after the given time. */
export async function releaseLease(db: Executor, lease: Lease, dueInMs: number): Promise<void> {
  const expiresAt = sql`now() + make_interval(secs => ${dueInMs / 1000})`;
  await db.update(runner_leases).set({ server_id: null, expires_at: expiresAt }).where(isHeld(lease));
}

/**
 * Releases the lease of a stopped runner. Every request for a runner locks its lease before the
 * commit, so a concurrent request is either visible here or requests a holder afterwards. Returns
 * whether a holder is due.
 */
export async function releaseIdleLease(db: Database, lease: Lease): Promise<{ isDue: boolean }> {
  return db.transaction(async (tx) => {
    const [row] = await tx.select().from(runner_leases).where(isHeld(lease)).for("update");
    if (!row) return { isDue: false };
    const [unsettled] = await tx
      .select({ id: runners.id })
      .from(runners)
      .where(and(eq(runners.id, lease.runner_id), isUnsettled));
    const expiresAt = unsettled ? sql`now()` : null;
    await tx
      .update(runner_leases)
      .set({ server_id: null, expires_at: expiresAt })
      .where(eq(runner_leases.runner_id, row.runner_id));
    return { isDue: unsettled !== undefined };
  });
}

/**
 * Runners that need a holder: their actual state differs from the desired one, or they have
 * undelivered commits.
 */
const isUnsettled = sql`(
  ${runners.state} in ('CREATING', 'READY')
  or (${runners.desired} = 'READY' and ${runners.state} = 'STOPPED')
  or (${runners.desired} = 'DESTROYED' and ${runners.state} <> 'DESTROYED')
  or exists (
    select 1 from ${pushes} where ${pushes.runner_id} = ${runners.id} and ${pushes.state} in ('WANTED', 'MIRRORED')
  )
)`;

/** Releases the leases of an earlier process of this server. */
export async function releaseServerLeases(db: Executor, serverId: string): Promise<void> {
  await db
    .update(runner_leases)
    .set({ server_id: null, expires_at: sql`now()` })
    .where(eq(runner_leases.server_id, serverId));
}

/** Requests a holder for runners with new work, in the transaction that stores the work. */
export async function requestHolders(tx: Executor, runnerIds: readonly string[]): Promise<void> {
  if (runnerIds.length === 0) return;
  await tx
    .update(runner_leases)
    .set({ expires_at: sql`coalesce(${runner_leases.expires_at}, now())` })
    .where(sql`${runner_leases.runner_id} = any(${toArray(runnerIds)}::uuid[])`);
}

/**
 * Raises the epoch of a valid lease above one the daemon has seen: its database may be an older
 * copy.
 */
export async function raiseEpoch(db: Executor, lease: Lease, seenEpoch: number): Promise<Lease> {
  const [row] = await db
    .update(runner_leases)
    .set({ epoch: sql`greatest(${runner_leases.epoch}, ${seenEpoch}::bigint) + 1` })
    .where(isHeld(lease))
    .returning();
  if (!row) throw new LeaseLost();
  return toLease(row);
}

/** Formats ids as a PostgreSQL array, to pass them as one parameter. */
export const toArray = (ids: readonly string[]): string => `{${ids.join(",")}}`;
