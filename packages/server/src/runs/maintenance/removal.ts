import { and, asc, desc, eq, isNotNull, isNull, type SQL, sql } from "drizzle-orm";
import type { Logger } from "pino";
import { type Database, type Executor, schema } from "../../store/index.ts";
import { markDeleted } from "../state/deletion.ts";
import type { MaintenanceJob } from "./maintenance.ts";

const { boards, dropped_branches, tasks } = schema;

/** Tasks to remove per step. */
const maxTasks = 100;
const maxBoards = 20;
/** Rows to delete per step from one table. */
const maxRows = 500;
const maxBranches = 100;
/** Delay before the first retry for a mirror's branches, doubled for each further attempt. */
const firstRetrySeconds = 60;
const maxRetrySeconds = 3_600;

export interface RemovalOptions {
  readonly db: Database;
  readonly logger: Logger;
  /** Called when runners have to be destroyed. */
  readonly onDestroyNeeded?: () => void;
  /** Removes branches from a mirror; ignores missing ones. Without this option they stay listed. */
  readonly removeBranches?: (repositoryId: string, branches: readonly string[]) => Promise<void>;
}

/**
 * Removes everything marked as deleted:
 *
 *   deleted board  → its tasks are marked, so that their runs end first
 *   marked task    → its words, events, comments, permissions, turns and runs are deleted, then
 *                    its row
 *   empty board    → its row is deleted
 *   dropped branch → the mirror removes it
 *
 * Each step is one short transaction that is complete in itself, so the process may end between any
 * two; the next step finds the rest by its mark. Two servers may run it at once: each skips the
 * rows that the other has locked.
 */
export class Removal implements MaintenanceJob {
  readonly name = "removal";
  readonly #options: RemovalOptions;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  async step(): Promise<boolean> {
    const { db } = this.#options;
    if (await db.transaction(markTasks)) {
      this.#options.onDestroyNeeded?.();
      return true;
    }
    if (await db.transaction(removeTasks)) return true;
    if (await removeBoards(db)) return true;
    return this.#removeBranches();
  }

  async #removeBranches(): Promise<boolean> {
    const { db, logger, removeBranches } = this.#options;
    if (!removeBranches) return false;
    const due = await getDueBranches(db);
    if (!due) return false;
    const { repository_id, branches } = due;
    const these = sql`${dropped_branches.repository_id} = ${repository_id}
      and ${dropped_branches.branch} = any(${sql.param(branches)}::text[])`;
    try {
      await removeBranches(repository_id, branches);
      await db.delete(dropped_branches).where(these);
    } catch (error) {
      logger.warn({ error, repository_id, branches: branches.length }, "could not remove branches; retrying later");
      const seconds = sql`least(${maxRetrySeconds}, ${firstRetrySeconds} * 2 ^ least(attempts, 10))`;
      await db
        .update(dropped_branches)
        .set({ attempts: sql`attempts + 1`, next_attempt_at: sql`now() + make_interval(secs => ${seconds})` })
        .where(these);
    }
    return true;
  }
}

async function markTasks(tx: Executor): Promise<boolean> {
  // The statistics do not reflect a board that is being emptied. Without sorting, the planner can
  // only use the index of tasks that are not deleted, so it does not read the marked tasks again.
  await tx.execute(sql`set local enable_sort = off`);
  const deleted = await tx
    .select({ id: boards.id })
    .from(boards)
    .where(sql`${boards.deleted_at} is not null`)
    .limit(maxBoards);
  for (const board of deleted) {
    // Each of the two has its own index.
    for (const isListed of [isNull(tasks.archived_at), isNotNull(tasks.archived_at)]) {
      const { ids, hasMore } = await lockFirst(tx, {
        condition: and(eq(tasks.board_id, board.id), isNull(tasks.deleted_at), isListed),
        order: [desc(tasks.created_at), desc(tasks.id)],
      });
      if (ids.length > 0) await markDeleted(tx, ids);
      if (hasMore) return true;
    }
  }
  return false;
}

interface TaskSelection {
  readonly condition: SQL | undefined;
  readonly order: readonly SQL[];
}

/**
 * Locks the first tasks that are not locked. Others, such as a writer of a log, may hold all of
 * them for a moment, so there may be more although none was locked here.
 */
async function lockFirst(
  tx: Executor,
  { condition, order }: TaskSelection,
): Promise<{ ids: string[]; hasMore: boolean }> {
  const select = (limit: number) =>
    tx
      .select({ id: tasks.id })
      .from(tasks)
      .where(condition)
      .orderBy(...order)
      .limit(limit);
  const rows = await select(maxTasks).for("update", { skipLocked: true });
  return { ids: rows.map(({ id }) => id), hasMore: rows.length > 0 || (await select(1)).length > 0 };
}

/** Removes the rows of the oldest deleted tasks first, and each task when none are left. */
async function removeTasks(tx: Executor): Promise<boolean> {
  const { ids, hasMore } = await lockFirst(tx, {
    condition: sql`${tasks.deleted_at} is not null`,
    order: [asc(tasks.deleted_at)],
  });
  if (ids.length === 0) return hasMore;
  const these = sql`any(${sql.param(ids)}::uuid[])`;
  for (const name of ["search_documents", "events", "task_comments", "permissions", "turns", "runs"]) {
    const table = sql.identifier(name);
    const { rowCount } = await tx.execute(sql`
      delete from ${table}
      where ctid = any(array(select ctid from ${table} where task_id = ${these} limit ${maxRows}))`);
    if ((rowCount ?? 0) >= maxRows) return true;
  }
  await tx.delete(tasks).where(sql`${tasks.id} = ${these}`);
  return true;
}

async function removeBoards(db: Database): Promise<boolean> {
  const [empty] = await db
    .select({ id: boards.id })
    .from(boards)
    .where(
      sql`${boards.deleted_at} is not null and not exists (select 1 from tasks where tasks.board_id = ${boards.id})`,
    )
    .limit(1);
  if (!empty) return false;
  await db.delete(boards).where(eq(boards.id, empty.id));
  return true;
}

async function getDueBranches(db: Database): Promise<{ repository_id: string; branches: string[] } | undefined> {
  const isDue = sql`${dropped_branches.next_attempt_at} <= now()`;
  const [first] = await db
    .select()
    .from(dropped_branches)
    .where(isDue)
    .orderBy(dropped_branches.next_attempt_at)
    .limit(1);
  if (!first) return undefined;
  const { repository_id } = first;
  const rows = await db
    .select({ branch: dropped_branches.branch })
    .from(dropped_branches)
    .where(sql`${dropped_branches.repository_id} = ${repository_id} and ${isDue}`)
    .limit(maxBranches);
  return { repository_id, branches: rows.map(({ branch }) => branch) };
}
