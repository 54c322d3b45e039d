import type { ResourceLimits, Tier } from "@wharf/contract";
import { and, eq, isNotNull, isNull, sql } from "drizzle-orm";
import type { RunnerKind, WarmPool } from "../../runners/index.ts";
import { createRunner, type Lease, type RunnerRow, toArray, leaseExistingRunner } from "../../runners/index.ts";
import { type Database, type Executor, schema } from "../../store/index.ts";
import { recordDisks, type RunnerDisk } from "../../usage/index.ts";
import { createQueueOrder, type DefaultRunLimits } from "../queue/queue-order.ts";
import { type LimitedRun, RunRooms } from "../queue/run-rooms.ts";

const { runner_leases, runners, runs, slot_times } = schema;

/** A server not seen for this long no longer serves its place. */
const serverGoneSeconds = 60;

export interface ClaimLimits {
  /** Maximum number of turns running at once. */
  readonly maxRuns: number;
  /** Maximum number of runners that are not stopped; undefined means no limit. */
  readonly maxRunners: number | undefined;
  /** Whether the limits apply to this server or to all servers together. */
  readonly scope: "server" | "all";
  /** The limits of users, boards and organizations; they apply to all servers together. */
  readonly shares?: DefaultRunLimits | undefined;
}

export interface ClaimOptions extends ClaimLimits {
  readonly server_id: string;
  readonly place: string;
  readonly fresh: Pick<RunnerRow, "backend" | "isolation">;
  readonly pool: Pick<WarmPool, "claim">;
  /** The largest disk that the backend creates; undefined means no limit. */
  readonly maxDiskBytes?: number | undefined;
  /** Returns the requirements of the run and its agent type for the run's runner. */
  readonly findKind: (run: RunCandidate) => Promise<RunnerKind>;
}

export interface RunCandidate {
  readonly run_id: string;
  readonly task_id: string;
  readonly agent_type: string;
  readonly tier: Tier;
  readonly resource_limits: ResourceLimits | null;
  readonly board_id: string;
  readonly organization_id: string;
}

/** The run's requirements for its runner, and the board that will own the runner. */
interface RunnerNeed {
  readonly kind: RunnerKind;
  readonly tier: Tier;
  readonly board_id: string;
}

export interface ClaimedRun {
  readonly run_id: string;
  readonly task_id: string;
  readonly lease: Lease;
}

export interface ClaimResult {
  readonly claimed: readonly ClaimedRun[];
  /** Whether a run has a free slot but waits because of the runner limit. */
  readonly needsRunner: boolean;
}

interface ClaimRound extends ClaimResult {
  /** Whether a slot is left for a run further back, because those before it reached a limit. */
  readonly isIncomplete: boolean;
}

/**
 * Assigns free slots to waiting runs in the order of the queue, and leases each a runner: the one
 * its task left, a warm one, or a new one. A run whose runner another server holds is left to that
 * server.
 */
export async function claimQueuedRuns(db: Database, options: ClaimOptions): Promise<ClaimResult> {
  const claimed: ClaimedRun[] = [];
  for (;;) {
    const round = await claimOnce(db, options);
    claimed.push(...round.claimed);
    if (!round.isIncomplete || round.claimed.length === 0) return { claimed, needsRunner: round.needsRunner };
  }
}

async function claimOnce(db: Database, options: ClaimOptions): Promise<ClaimRound> {
  const candidates = await getCandidates(db, options);
  if (candidates.length === 0) return { claimed: [], needsRunner: false, isIncomplete: false };
  // Agent types are read before the transaction: inside, nothing may wait for another connection.
  const needs = new Map<string, RunnerNeed>();
  for (const candidate of candidates) {
    const { run_id, tier, board_id } = candidate;
    needs.set(run_id, { kind: await options.findKind(candidate), tier, board_id });
  }
  return db.transaction(async (tx) => {
    // Claims run one at a time: two servers counting slots together would assign the last one
    // twice.
    await tx.select({ lock: sql`pg_advisory_xact_lock(${queueLockKey})` }).from(sql`(values (1)) as one`);
    // Another server's claim may have changed the order. A run that was no candidate before waits
    // for the next claim.
    const candidatesNow = (await getCandidates(tx, options)).filter(({ run_id }) => needs.has(run_id));
    const current = new Map(candidatesNow.map((candidate) => [candidate.run_id, candidate]));
    let remainingSlots = current.size > 0 ? options.maxRuns - (await countUsedSlots(tx, options)) : 0;
    let remainingRunners =
      (options.maxRunners ?? Infinity) - (options.maxRunners ? await countActiveRunners(tx, options) : 0);
    const claimed: ClaimedRun[] = [];
    const disks: RunnerDisk[] = [];
    const rooms = new RunRooms();
    let needsRunner = false;
    let isLimited = false;
    for (const { run, runner } of remainingSlots > 0 ? await lockQueuedRuns(tx, [...current.keys()]) : []) {
      if (remainingSlots <= 0) break;
      const limits = current.get(run.id)!;
      if (!rooms.hasRoom(limits)) {
        isLimited = true;
        continue;
      }
      const isActive = runner?.desired === "READY" && runner.state !== "STOPPED";
      if (!isActive && remainingRunners <= 0) {
        needsRunner = true;
        continue;
      }
      const need = needs.get(run.id)!;
      const lease = await leaseRunner(tx, { runner, need, options });
      if (!lease) continue;
      await tx
        .update(runs)
        .set({
          slot: true,
          queued_at: null,
          is_first: false,
          next_attempt_at: null,
          idle_since: null,
          runner_id: lease.runner_id,
        })
        .where(eq(runs.id, run.id));
      claimed.push({ run_id: run.id, task_id: run.task_id, lease });
      const diskBytes = Math.min(need.kind.limits.diskBytes, options.maxDiskBytes ?? Infinity);
      disks.push({ runner_id: lease.runner_id, disk_bytes: diskBytes });
      rooms.take(limits);
      remainingSlots--;
      if (!isActive) remainingRunners--;
    }
    await recordDisks(tx, disks);
    await recordSlotTimes(
      tx,
      claimed.map(({ run_id }) => current.get(run_id)!),
    );
    return { claimed, needsRunner, isIncomplete: isLimited && remainingSlots > 0 };
  });
}

/**
 * Returns the next runs in the order of the queue, or none if no slot is free. It reads without
 * locks, so a tick with nothing to assign costs one statement. There are more runs than free slots:
 * some may need a runner when none may start.
 */
async function getCandidates(db: Executor, options: ClaimOptions): Promise<(RunCandidate & LimitedRun)[]> {
  const { server_id, place, maxRuns, shares = {} } = options;
  const { rows } = await db.execute<RunCandidate & LimitedRun & Record<string, unknown>>(sql`
    with ${createQueueOrder(shares)}
    select queue.id as run_id, queue.task_id, queue.agent_type, queue.tier, queue.resource_limits, queue.board_id, queue.organization_id, queue.user_id,
      queue.user_slots, queue.board_slots, queue.organization_slots, queue.tier_slots,
      queue.user_limit, queue.board_limit, queue.organization_limit, queue.tier_limit
    from queue
    left join lateral (
      select server_id, place, expires_at from runner_leases where runner_id = queue.runner_id limit 1
    ) lease on true
    where not exists (select from queue_pauses) and (lease.place is null
      or (lease.place = ${place} and (
        lease.server_id = ${server_id} or lease.expires_at is null or lease.expires_at <= now()
      ))
      or not exists (
        select 1 from servers
        where servers.place = lease.place and servers.seen_at > now() - make_interval(secs => ${serverGoneSeconds})
      ))
    order by queue.position
    limit (select case when ${maxRuns} > count(*) then ${maxRuns}::int else 0 end from runs ${getCountedRuns(options)})`);
  return rows;
}

/**
 * Locks the runs that still wait, in the order of their ids, with their runners. Skips runs that
 * another server is claiming.
 */
async function lockQueuedRuns(tx: Executor, ids: readonly string[]) {
  const rows = await tx
    .select()
    .from(runs)
    .where(and(sql`${runs.id} = any(${toArray(ids)}::uuid[])`, isNotNull(runs.queued_at)))
    .orderBy(sql`array_position(${toArray(ids)}::uuid[], ${runs.id})`)
    .for("update", { skipLocked: true });
  const runnerIds = rows.flatMap(({ runner_id }) => runner_id ?? []);
  const runnerRows = await tx
    .select()
    .from(runners)
    .where(sql`${runners.id} = any(${toArray(runnerIds)}::uuid[])`);
  const byId = new Map(runnerRows.map((runner) => [runner.id, runner]));
  return rows.map((run) => ({ run, runner: run.runner_id ? byId.get(run.runner_id) : undefined }));
}

async function leaseRunner(
  tx: Executor,
  { runner, need, options }: { runner: RunnerRow | undefined; need: RunnerNeed; options: ClaimOptions },
): Promise<Lease | undefined> {
  const { server_id, place, fresh, pool } = options;
  const { kind, tier, board_id } = need;
  const isUsable =
    runner?.backend === fresh.backend &&
    runner.desired !== "DESTROYED" &&
    runner.state !== "ERROR" &&
    runner.error_message === null;
  if (isUsable) {
    const currentPlace = await getRunnerPlace(tx, runner.id);
    if (currentPlace === place) return leaseExistingRunner(tx, { runner_id: runner.id, tier, server_id, place });
  }
  const warm = await pool.claim(tx, kind, { board_id, tier });
  return warm?.lease ?? createRunner(tx, { fresh: { ...fresh, tier }, board_id, server_id, place });
}

async function getRunnerPlace(tx: Executor, runnerId: string): Promise<string | undefined> {
  const [row] = await tx
    .select({ place: runner_leases.place })
    .from(runner_leases)
    .where(eq(runner_leases.runner_id, runnerId));
  return row?.place;
}

/** Claims happen one at a time, so two of them never record the same user at once. */
async function recordSlotTimes(tx: Executor, claimed: readonly LimitedRun[]): Promise<void> {
  const users = claimed.flatMap(({ organization_id, user_id }) =>
    user_id === null ? [] : [{ organization_id, user_id }],
  );
  if (users.length === 0) return;
  await tx.execute(sql`
    insert into ${slot_times} (organization_id, user_id, given_at)
    select distinct organization_id, user_id, statement_timestamp()
    from unnest(
      ${toArray(users.map(({ organization_id }) => organization_id))}::uuid[],
      ${toArray(users.map(({ user_id }) => user_id))}::uuid[]
    ) as claimed (organization_id, user_id)
    on conflict (organization_id, user_id) do update set given_at = excluded.given_at`);
}

async function countUsedSlots(tx: Executor, options: ClaimOptions): Promise<number> {
  const { rows } = await tx.execute<{ n: number }>(sql`select count(*)::int as n from runs ${getCountedRuns(options)}`);
  return rows[0]?.n ?? 0;
}

/** Selects the runs whose slots count: those of this server, or of all. */
const getCountedRuns = ({ scope, server_id }: ClaimOptions) =>
  scope === "all"
    ? sql`where runs.slot`
    : sql`join runner_leases on runner_leases.runner_id = runs.runner_id
        where runs.slot and runner_leases.server_id = ${server_id}`;

/** Counts runners that use a machine, except those in the pool, which has its own limit. */
async function countActiveRunners(tx: Executor, { scope, server_id }: ClaimOptions): Promise<number> {
  const ownLeases = scope === "all" ? undefined : eq(runner_leases.server_id, server_id);
  const [row] = await tx
    .select({ n: sql<number>`count(*)::int` })
    .from(runners)
    .innerJoin(runner_leases, eq(runner_leases.runner_id, runners.id))
    .where(and(sql`${runners.state} in ('CREATING', 'READY')`, isNull(runners.pool_key), ownLeases));
  return row?.n ?? 0;
}

/** Number of the advisory lock; Wharf must use it for nothing else. */
const queueLockKey = 0x71_75_65_75;
