import { and, asc, eq, isNotNull, isNull, sql } from "drizzle-orm";
import type { RunnerKind, WarmPool } from "../../runners/index.ts";
import { createRunner, type Lease, type RunnerRow, toArray, leaseExistingRunner } from "../../runners/index.ts";
import { type Database, type Executor, schema } from "../../store/index.ts";
import { recordDisks, type RunnerDisk } from "../../usage/index.ts";

const { runner_leases, runners, runs } = schema;

/** A server not seen for this long no longer serves its place. */
const serverGoneSeconds = 60;

export interface ClaimLimits {
  /** Maximum number of turns running at once. */
  readonly maxRuns: number;
  /** Maximum number of runners that are not stopped; undefined means no limit. */
  readonly maxRunners: number | undefined;
  /** Whether the limits apply to this server or to all servers together. */
  readonly scope: "server" | "all";
}

export interface ClaimOptions extends ClaimLimits {
  readonly server_id: string;
  readonly place: string;
  readonly fresh: Pick<RunnerRow, "backend" | "tier" | "isolation">;
  readonly pool: Pick<WarmPool, "claim">;
  /** The largest disk that the backend creates; undefined means no limit. */
  readonly maxDiskBytes?: number | undefined;
  /** Returns the agent type's requirements for the run's runner. */
  readonly findKind: (run: RunCandidate) => Promise<RunnerKind>;
}

export interface RunCandidate {
  readonly run_id: string;
  readonly task_id: string;
  readonly agent_type: string;
  readonly board_id: string;
  readonly organization_id: string;
}

/** The run's requirements for its runner, and the board that will own the runner. */
interface RunnerNeed {
  readonly kind: RunnerKind;
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

/**
 * Assigns free slots to waiting runs by priority, then by waiting time, and leases each a runner:
 * the one its task left, a warm one, or a new one. A run whose runner another server holds is left
 * to that server.
 */
export async function claimQueuedRuns(db: Database, options: ClaimOptions): Promise<ClaimResult> {
  const candidates = await getCandidates(db, options);
  if (candidates.length === 0) return { claimed: [], needsRunner: false };
  // Agent types are read before the transaction: inside, nothing may wait for another connection.
  const needs = new Map<string, RunnerNeed>();
  for (const candidate of candidates)
    needs.set(candidate.run_id, { kind: await options.findKind(candidate), board_id: candidate.board_id });
  return db.transaction(async (tx) => {
    // Claims run one at a time: two servers counting slots together would assign the last one
    // twice.
    await tx.select({ lock: sql`pg_advisory_xact_lock(${queueLockKey})` }).from(sql`(values (1)) as one`);
    let remainingSlots = options.maxRuns - (await countUsedSlots(tx, options));
    let remainingRunners =
      (options.maxRunners ?? Infinity) - (options.maxRunners ? await countActiveRunners(tx, options) : 0);
    const claimed: ClaimedRun[] = [];
    const disks: RunnerDisk[] = [];
    let needsRunner = false;
    for (const { run, runner } of remainingSlots > 0 ? await lockQueuedRuns(tx, [...needs.keys()]) : []) {
      if (remainingSlots <= 0) break;
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
        .set({ slot: true, queued_at: null, next_attempt_at: null, idle_since: null, runner_id: lease.runner_id })
        .where(eq(runs.id, run.id));
      claimed.push({ run_id: run.id, task_id: run.task_id, lease });
      const diskBytes = Math.min(need.kind.limits.diskBytes, options.maxDiskBytes ?? Infinity);
      disks.push({ runner_id: lease.runner_id, disk_bytes: diskBytes });
      remainingSlots--;
      if (!isActive) remainingRunners--;
    }
    await recordDisks(tx, disks);
    return { claimed, needsRunner };
  });
}

/**
 * Maximum number of runs per claim. Runs held by other servers are skipped and must not hide the
 * rest.
 */
const maxCandidates = 1_000;

/**
 * Reads without locks, so a tick with nothing to assign costs one statement. Each lookup is by key:
 * the queue is short however large the tables are, and the planner cannot know that.
 */
async function getCandidates(db: Database, { server_id, place, maxRuns }: ClaimOptions): Promise<RunCandidate[]> {
  const { rows } = await db.execute<RunCandidate & Record<string, unknown>>(sql`
    with due as materialized (
      select id, task_id, agent_type, runner_id, priority, queued_at from runs
      where queued_at is not null and (next_attempt_at is null or next_attempt_at <= now())
      order by priority desc, queued_at, id limit ${maxCandidates}
    )
    select due.id as run_id, due.task_id, due.agent_type, task.board_id, task.organization_id
    from due
    cross join lateral (
      select tasks.board_id, boards.organization_id from tasks join boards on boards.id = tasks.board_id
      where tasks.id = due.task_id limit 1
    ) task
    left join lateral (
      select server_id, place, expires_at from runner_leases where runner_id = due.runner_id limit 1
    ) lease on true
    where lease.place is null
      or (lease.place = ${place} and (
        lease.server_id = ${server_id} or lease.expires_at is null or lease.expires_at <= now()
      ))
      or not exists (
        select 1 from servers
        where servers.place = lease.place and servers.seen_at > now() - make_interval(secs => ${serverGoneSeconds})
      )
    order by due.priority desc, due.queued_at, due.id limit ${maxRuns}`);
  return rows;
}

/**
 * Locks the runs that still wait, in order, with their runners. Skips runs that another server is
 * claiming.
 */
async function lockQueuedRuns(tx: Executor, ids: readonly string[]) {
  const rows = await tx
    .select()
    .from(runs)
    .where(and(sql`${runs.id} = any(${toArray(ids)}::uuid[])`, isNotNull(runs.queued_at)))
    .orderBy(sql`${runs.priority} desc`, asc(runs.queued_at))
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
  const { kind, board_id } = need;
  const isUsable =
    runner?.backend === fresh.backend &&
    runner.desired !== "DESTROYED" &&
    runner.state !== "ERROR" &&
    runner.error_message === null;
  if (isUsable) {
    const currentPlace = await getRunnerPlace(tx, runner.id);
    if (currentPlace === place) return leaseExistingRunner(tx, { runner_id: runner.id, server_id, place });
  }
  const warm = await pool.claim(tx, kind, { board_id });
  return warm?.lease ?? createRunner(tx, { fresh, board_id, server_id, place });
}

async function getRunnerPlace(tx: Executor, runnerId: string): Promise<string | undefined> {
  const [row] = await tx
    .select({ place: runner_leases.place })
    .from(runner_leases)
    .where(eq(runner_leases.runner_id, runnerId));
  return row?.place;
}

async function countUsedSlots(tx: Executor, { scope, server_id }: ClaimOptions): Promise<number> {
  const ownLeases = scope === "all" ? undefined : eq(runner_leases.server_id, server_id);
  const [row] = await tx
    .select({ n: sql<number>`count(*)::int` })
    .from(runs)
    .leftJoin(runner_leases, eq(runner_leases.runner_id, runs.runner_id))
    .where(and(eq(runs.slot, true), ownLeases));
  return row?.n ?? 0;
}

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
