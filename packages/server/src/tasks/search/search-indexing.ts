import { sql } from "drizzle-orm";
import type { Logger } from "pino";
import { type Database, isDatabaseUnavailable, schema } from "../../store/index.ts";
import { indexTask, type IndexingContext } from "./index-task.ts";

const { search_positions, search_queue, tasks } = schema;

/** Tasks to take from the queue per step. */
const maxTasks = 20;
const retryDelaySeconds = 60;

/**
 * Fills the documents of the search from the logs of tasks:
 *
 *   event appended ── trigger, in its transaction ──► queue ──► documents and position ──► dequeued
 *                                                          └── the process died: still in the queue
 *
 * The documents follow from other rows. After an update from a version without them, the queue has
 * every task.
 */
export class SearchIndexing {
  readonly name = "search";
  readonly #context: IndexingContext;
  readonly #logger: Logger;

  constructor(context: IndexingContext, logger: Logger) {
    this.#context = context;
    this.#logger = logger;
  }

  /** Whether a task waits. */
  async isDue(): Promise<boolean> {
    return (await findDueTasks(this.#context.db, 1)).length > 0;
  }

  /** Takes some events of the tasks that wait longest. */
  async step(): Promise<boolean> {
    const { db } = this.#context;
    const taskIds = await findDueTasks(db, maxTasks);
    for (const taskId of taskIds) {
      try {
        const hasMore = await indexTask(this.#context, taskId);
        if (!hasMore) await dequeue(db, taskId);
      } catch (error) {
        if (isDatabaseUnavailable(error)) throw error;
        this.#logger.error({ error, task_id: taskId }, "could not prepare a task for the search; retrying later");
        await postpone(db, taskId);
      }
    }
    return taskIds.length > 0;
  }
}

async function findDueTasks(db: Database, limit: number): Promise<string[]> {
  const rows = await db
    .select({ task_id: search_queue.task_id })
    .from(search_queue)
    .where(sql`${search_queue.due_at} <= now()`)
    .orderBy(search_queue.due_at)
    .limit(limit);
  return rows.map(({ task_id }) => task_id);
}

/**
 * Removes a task whose log is complete in the documents. The task's lock is that of the writers of
 * its log: an event that is not counted here finds no row in the queue, and adds one. The lock
 * returns the row as its last writer left it, and the position may only be older.
 */
const dequeue = (db: Database, taskId: string) =>
  db.execute(sql`
    with task as (
      select last_seq from ${tasks} where id = ${taskId} and deleted_at is null for no key update
    )
    delete from ${search_queue} where task_id = ${taskId} and not exists (
      select from task where last_seq > coalesce(
        (select seq from ${search_positions} where task_id = ${taskId}), -1))`);

const postpone = (db: Database, taskId: string) =>
  db
    .update(search_queue)
    .set({ due_at: sql`now() + make_interval(secs => ${retryDelaySeconds})` })
    .where(sql`${search_queue.task_id} = ${taskId}`);
