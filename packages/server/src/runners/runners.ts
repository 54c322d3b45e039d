import { randomUUID } from "node:crypto";
import { type RunnerState, type Tier, tiers } from "@wharf/contract";
import { and, desc, eq, inArray, isNotNull, isNull, ne, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../store/index.ts";
import { createLease, type Lease, LeaseLost, ownsRunner, takeLease, toArray } from "./leases/index.ts";

const { runner_leases, runners, runs } = schema;
export type RunnerRow = typeof runners.$inferSelect;

/**
 * The rows of runners: their desired state and their last observed one. Only the lease's holder
 * writes the observed state.
 */
export class Runners {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async get(id: string): Promise<RunnerRow | undefined> {
    const [row] = await this.#db.select().from(runners).where(eq(runners.id, id));
    return row;
  }

  async setState(lease: Lease, state: RunnerState, error?: string): Promise<void> {
    const changedRows = await this.#db
      .update(runners)
      .set({ state, error_message: error ?? null, updated_at: new Date() })
      .where(and(eq(runners.id, lease.runner_id), ownsRunner(lease)))
      .returning({ id: runners.id });
    if (changedRows.length === 0) throw new LeaseLost();
  }

  async setDesired(lease: Lease, desired: RunnerRow["desired"]): Promise<void> {
    const changedRows = await this.#db
      .update(runners)
      .set({ desired, updated_at: new Date() })
      .where(and(eq(runners.id, lease.runner_id), ne(runners.desired, "DESTROYED"), ownsRunner(lease)))
      .returning({ id: runners.id });
    if (changedRows.length === 0) throw new LeaseLost();
  }

  /** Records that the runner's processes have ended. A broken runner stays in ERROR. */
  async setStopped(lease: Lease): Promise<void> {
    await this.#db
      .update(runners)
      .set({
        state: sql`case when ${runners.error_message} is null then 'STOPPED' else 'ERROR' end`,
        updated_at: new Date(),
      })
      .where(and(eq(runners.id, lease.runner_id), ownsRunner(lease)));
  }

  /**
   * Stores the result of an isolation check; returns whether it is new. Only a container can turn
   * out unenforced.
   */
  async setIsolation(lease: Lease, isEnforced: boolean): Promise<boolean> {
    const [currentIsolation, newIsolation] = isEnforced
      ? (["unenforced", "container"] as const)
      : (["container", "unenforced"] as const);
    const changedRows = await this.#db
      .update(runners)
      .set({ isolation: newIsolation })
      .where(and(eq(runners.id, lease.runner_id), eq(runners.isolation, currentIsolation), ownsRunner(lease)))
      .returning({ id: runners.id });
    return changedRows.length > 0;
  }

  /** Gives runners that predate leases the place of the backend that has them. */
  async setPlace(backend: RunnerRow["backend"], place: string): Promise<void> {
    const isHere = sql`exists (select 1 from runners where runners.id = runner_leases.runner_id and runners.backend = ${backend})`;
    await this.#db
      .update(runner_leases)
      .set({ place })
      .where(and(eq(runner_leases.place, ""), isHere));
  }

  /** Returns the ids that belong to runners which should exist. */
  async getKnownIds(ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#db
      .select({ id: runners.id })
      .from(runners)
      .where(and(sql`${runners.id} = any(${toArray(ids.filter(isUuid))}::uuid[])`, ne(runners.state, "DESTROYED")));
    return new Set(rows.map((row) => row.id));
  }
}

/** Sets the journal position from which the log continues. The caller has fenced the lease. */
export async function setJournalCursor(
  tx: Executor,
  runnerId: string,
  { epoch, seq }: { epoch: string; seq: number },
): Promise<void> {
  await tx.update(runners).set({ journal_epoch: epoch, journal_cursor: seq }).where(eq(runners.id, runnerId));
}

/**
 * Returns the runner that a task's earlier run left, with its workspace and the agent's sessions on
 * its disk.
 */
export async function getPreviousRunnerId(tx: Executor, taskId: string): Promise<string | undefined> {
  const [previousRunner] = await tx
    .select({ id: runners.id })
    .from(runs)
    .innerJoin(runners, eq(runners.id, runs.runner_id))
    .where(
      and(
        eq(runs.task_id, taskId),
        isNotNull(runs.runner_id),
        inArray(runners.state, ["CREATING", "READY", "STOPPED"]),
        ne(runners.desired, "DESTROYED"),
        isNull(runners.error_message),
      ),
    )
    .orderBy(desc(runs.created_at))
    .limit(1);
  return previousRunner?.id;
}

export interface NewRunnerOptions {
  readonly fresh: Pick<RunnerRow, "backend" | "isolation"> & { readonly tier: Tier };
  /** The board whose members see the runner. */
  readonly board_id: string;
  readonly server_id: string;
  readonly place: string;
}

/** Stores a new runner, leased by this server. */
export async function createRunner(
  tx: Executor,
  { fresh, board_id, server_id, place }: NewRunnerOptions,
): Promise<Lease> {
  const id = randomUUID();
  const resources = fresh.tier === "custom" ? null : tiers[fresh.tier];
  await tx.insert(runners).values({ id, board_id, resources, ...fresh });
  return createLease(tx, { runner_id: id, server_id, place });
}

/**
 * Sets a runner's desired state to READY and its size, under this server's lease; returns undefined
 * if another server holds it.
 */
export async function leaseExistingRunner(
  tx: Executor,
  {
    tier,
    ...target
  }: { readonly runner_id: string; readonly tier: Tier; readonly server_id: string; readonly place: string },
): Promise<Lease | undefined> {
  const lease = await takeLease(tx, target);
  if (!lease) return undefined;
  const resources = tier === "custom" ? null : tiers[tier];
  await tx.update(runners).set({ desired: "READY", tier, resources }).where(eq(runners.id, target.runner_id));
  return lease;
}

/** A backend may list names in another format, which no row has. */
const isUuid = (id: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
