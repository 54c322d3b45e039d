import { and, eq, inArray, sql } from "drizzle-orm";
import { requestHolders } from "../../runners/index.ts";
import { type Database, type Executor, schema } from "../../store/index.ts";
import type { MaintenanceJob } from "./maintenance.ts";

const { runners } = schema;

/** Runners to check in one step. */
const maxRunnersPerStep = 200;

export interface OldRunnersOptions {
  readonly keepMs: number;
  /** Called when runners have to be destroyed. */
  readonly onDestroyNeeded: () => void;
}

interface RestingRunner extends Record<string, unknown> {
  readonly id: string;
  readonly rested_at: string;
  readonly is_old: boolean;
}

/**
 * Discards the runners of tasks accepted, cancelled or archived more than `keepMs` ago whose
 * commits are all on the remote. A later prompt of the task gets a new runner, with the branch from
 * the remote. Each step checks a few stopped runners; after the last one, the cleanup starts over.
 */
export class OldRunnerCleanup implements MaintenanceJob {
  readonly name = "old runners";
  readonly #db: Database;
  readonly #options: OldRunnersOptions;
  #cursor: RestingRunner | undefined;

  constructor(db: Database, options: OldRunnersOptions) {
    this.#db = db;
    this.#options = options;
  }

  async step(): Promise<boolean> {
    const resting = await this.#db.transaction((tx) => this.#discardOldRunners(tx));
    if (resting.some(({ is_old }) => is_old)) this.#options.onDestroyNeeded();
    this.#cursor = resting.length === maxRunnersPerStep ? resting.at(-1) : undefined;
    return this.#cursor !== undefined;
  }

  async #discardOldRunners(tx: Executor): Promise<RestingRunner[]> {
    const { rows } = await getRestingRunners(tx, this.#cursor, this.#options.keepMs);
    const old = rows.filter(({ is_old }) => is_old).map(({ id }) => id);
    if (old.length === 0) return rows;
    const isResting = and(eq(runners.state, "STOPPED"), eq(runners.desired, "STOPPED"));
    await tx
      .update(runners)
      .set({ desired: "DESTROYED", updated_at: new Date() })
      .where(and(inArray(runners.id, old), isResting));
    await requestHolders(tx, old);
    return rows;
  }
}

/** Looks up each row by its key: without the limits the planner would join whole tables. */
const getRestingRunners = (tx: Executor, cursor: RestingRunner | undefined, keepMs: number) =>
  tx.execute<RestingRunner>(sql`
    with resting as materialized (
      select id, updated_at from runners
      where state = 'STOPPED' and desired = 'STOPPED' and owner_id is null
        and (updated_at, id) > (${cursor?.rested_at ?? "-infinity"}::timestamptz, ${cursor?.id ?? lowestId}::uuid)
      order by updated_at, id limit ${maxRunnersPerStep}
    )
    select resting.id, resting.updated_at::text as rested_at, coalesce(task.is_over and push.id is null, false) as is_old
    from resting
    left join lateral (
      select tasks.archived_at < now() - make_interval(secs => ${keepMs / 1000})
        or tasks.state in ('COMPLETED', 'CANCELLED')
          and tasks.completed_at < now() - make_interval(secs => ${keepMs / 1000}) as is_over
      from runs join tasks on tasks.id = runs.task_id
      where runs.runner_id = resting.id order by runs.created_at desc limit 1
    ) task on true
    left join lateral (
      select task_id as id from pushes where runner_id = resting.id and state <> 'PUSHED' limit 1
    ) push on true`);

const lowestId = "00000000-0000-0000-0000-000000000000";
