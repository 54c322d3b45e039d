import type { RunnerKind, WarmPool } from "../runners/index.ts";
import { createRunner, type Lease, type RunnerRow, toArray, leaseExistingRunner } from "../runners/index.ts";
import { and, asc, eq, isNotNull, isNull, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../store/index.ts";

const { runner_leases, runners, runs } = schema;

/** A server that was not seen for this long serves its place no more. */
const serverGoneSeconds = 60;

export interface ClaimLimits {
  /** Turns at work at once. */
  readonly maxRuns: number;
  /** Runners that are not at rest; nothing where there is no limit. */
  readonly maxRunners: number | undefined;
  /** Whether the limits are this server's, or those of all servers together. */
  readonly scope: "server" | "all";
}

export interface ClaimOptions extends ClaimLimits {
  readonly server_id: string;
  readonly place: string;
  readonly fresh: Pick<RunnerRow, "backend" | "tier" | "isolation">;
  readonly pool: Pick<WarmPool, "claim">;
  /** What the agent type of a run needs of a runner. */
  readonly findKind: (run: RunCandidate) => Promise<RunnerKind>;
}

export interface RunCandidate {
  readonly run_id: string;
  readonly task_id: string;
  readonly agent_type: string;
  readonly board_id: string;
  readonly organization_id: string;
}

/** What a run needs of a runner, and whose it will be. */
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
  /** Whether a run waits that only the number of runners keeps from its slot. */
  readonly needsRunner: boolean;
}

/**
 * Gives free slots to the runs that wait for one, most important first, then longest waiting, and each the lease of its
 * runner: the one its task left, a warm one, or a new one. A run whose runner another server holds is left to that one.
 */
export async function claimQueuedRuns(db: Database, options: ClaimOptions): Promise<ClaimResult> {
  const candidates = await getCandidates(db, options);
  if (candidates.length === 0) return { claimed: [], needsRunner: false };
  // Agent types are read before the transaction: inside, nothing may wait for another connection.
  const needs = new Map<string, RunnerNeed>();
  for (const candidate of candidates)
    needs.set(candidate.run_id, { kind: await options.findKind(candidate), board_id: candidate.board_id });
  return db.transaction(async (tx) => {
    // One claim at a time: two servers that count the slots together would give the last one away twice.
    await tx.select({ lock: sql`pg_advisory_xact_lock(${queueLockKey})` }).from(sql`(values (1)) as one`);
    let remainingSlots = options.maxRuns - (await countUsedSlots(tx, options));
    let remainingRunners =
      (options.maxRunners ?? Infinity) - (options.maxRunners ? await countActiveRunners(tx, options) : 0);
    const claimed: ClaimedRun[] = [];
    let needsRunner = false;
    for (const { run, runner } of remainingSlots > 0 ? await lockQueuedRuns(tx, [...needs.keys()]) : []) {
      if (remainingSlots <= 0) break;
      const isActive = runner?.desired === "READY" && runner.state !== "STOPPED";
      if (!isActive && remainingRunners <= 0) {
        needsRunner = true;
        continue;
      }
      const lease = await leaseRunner(tx, { runner, need: needs.get(run.id)!, options });
      if (!lease) continue;
      await tx
        .update(runs)
        .set({ slot: true, queued_at: null, next_attempt_at: null, idle_since: null, runner_id: lease.runner_id })
        .where(eq(runs.id, run.id));
      claimed.push({ run_id: run.id, task_id: run.task_id, lease });
      remainingSlots--;
      if (!isActive) remainingRunners--;
    }
    return { claimed, needsRunner };
  });
}

/** Runs looked at in one claim: those that other servers hold are passed over, and must not hide the others. */
const maxCandidates = 1_000;

/**
 * Looks without locks, so that a tick with nothing to give costs one statement. Each look-up is a row by its key: the
 * queue is short however large the tables are, which the planner cannot know.
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

/** The runs that still wait, in order, with the runner each has. Those another server is about to claim are left out. */
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

/** Runners that use a machine. Those that wait in the pool do not count: their number is the pool's own. */
async function countActiveRunners(tx: Executor, { scope, server_id }: ClaimOptions): Promise<number> {
  const ownLeases = scope === "all" ? undefined : eq(runner_leases.server_id, server_id);
  const [row] = await tx
    .select({ n: sql<number>`count(*)::int` })
    .from(runners)
    .innerJoin(runner_leases, eq(runner_leases.runner_id, runners.id))
    .where(and(sql`${runners.state} in ('CREATING', 'READY')`, isNull(runners.pool_key), ownLeases));
  return row?.n ?? 0;
}

/** An advisory lock's number; it only has to be Wharf's own. */
const queueLockKey = 0x71_75_65_75;
