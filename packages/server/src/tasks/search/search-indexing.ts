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
 * its log: an event that is not counted here finds no row in the queue, and adds one.
 */
async function dequeue(db: Database, taskId: string): Promise<void> {
  await db.transaction(async (tx) => {
    const [task] = await tx
      .select({ last_seq: tasks.last_seq, deleted_at: tasks.deleted_at })
      .from(tasks)
      .where(sql`${tasks.id} = ${taskId}`)
      .for("no key update");
    if (task && !task.deleted_at) {
      const isComplete = sql`${search_positions.task_id} = ${taskId} and ${search_positions.seq} >= ${task.last_seq}`;
      const positions = await tx.select({ seq: search_positions.seq }).from(search_positions).where(isComplete);
      if (positions.length === 0) return;
    }
    await tx.delete(search_queue).where(sql`${search_queue.task_id} = ${taskId}`);
  });
}

const postpone = (db: Database, taskId: string) =>
  db
    .update(search_queue)
    .set({ due_at: sql`now() + make_interval(secs => ${retryDelaySeconds})` })
    .where(sql`${search_queue.task_id} = ${taskId}`);
