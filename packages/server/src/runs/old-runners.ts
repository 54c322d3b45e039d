import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { Job } from "./maintenance.ts";
import { callHolders } from "../runners/index.ts";
import { type Database, schema } from "../store/index.ts";

const { runners } = schema;

/** Given up in one look, so that it never takes long. */
const maxAtOnce = 100;

export interface OldRunnersOptions {
  readonly keepMs: number;
  /** Runners have to be destroyed. */
  readonly onGivenUp: () => void;
}

/** Gives up runners of tasks that are long over. */
export class OldRunners implements Job {
  readonly name = "old runners";
  readonly #db: Database;
  readonly #options: OldRunnersOptions;

  constructor(db: Database, options: OldRunnersOptions) {
    this.#db = db;
    this.#options = options;
  }

  async step(): Promise<boolean> {
    const count = await giveUpOldRunners(this.#db, this.#options.keepMs);
    if (count > 0) this.#options.onGivenUp();
    return count === maxAtOnce;
  }
}

/**
 * Gives up the runners of tasks that were accepted or cancelled so long ago, where the remote has all of their commits. A
 * later prompt of such a task gets a new runner, with the branch as it is on the remote. Returns how many there were.
 */
function giveUpOldRunners(db: Database, keepMs: number): Promise<number> {
  const isOver = sql`exists (
    select 1 from runs join tasks on tasks.id = runs.task_id
    where runs.runner_id = ${runners.id} and tasks.state in ('COMPLETED', 'CANCELLED')
      and tasks.completed_at < now() - make_interval(secs => ${keepMs / 1000})
  )`;
  const isUndelivered = sql`exists (
    select 1 from pushes where pushes.runner_id = ${runners.id} and pushes.state <> 'PUSHED'
  )`;
  return db.transaction(async (tx) => {
    const old = await tx
      .select({ id: runners.id })
      .from(runners)
      .where(
        and(
          eq(runners.state, "STOPPED"),
          eq(runners.desired, "STOPPED"),
          isNull(runners.owner_id),
          isOver,
          sql`not ${isUndelivered}`,
        ),
      )
      .limit(maxAtOnce)
      .for("update", { skipLocked: true });
    const ids = old.map(({ id }) => id);
    if (ids.length === 0) return 0;
    await tx.update(runners).set({ desired: "DESTROYED" }).where(inArray(runners.id, ids));
    await callHolders(tx, ids);
    return ids.length;
  });
}
