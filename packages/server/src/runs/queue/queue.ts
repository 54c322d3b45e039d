import { sql } from "drizzle-orm";
import { isVisibleBoard, type VisibilityScope } from "../../access/index.ts";
import { type Database, formatCursor, type PageQuery, parseCursor } from "../../store/index.ts";
import { queueOrder } from "./queue-order.ts";

export interface QueuedRun {
  readonly task_id: string;
  readonly priority: number;
  readonly queued_at: Date;
  /** 1 for the run that gets the next slot; null while the run waits for something else. */
  readonly position: number | null;
}

interface QueuePage {
  readonly tasks: QueuedRun[];
  readonly total: number;
  readonly next_cursor?: string;
}

/** Reads the queue for the people who may see the boards of its tasks. */
export class Queue {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Returns the waiting runs in the order in which they get slots, then those that wait for
   * something else. Positions count the runs of all users. A cursor is a number of runs, because
   * the order changes with each slot.
   */
  async list(scope: VisibilityScope, { limit, offset = 0, cursor }: PageQuery): Promise<QueuePage> {
    const skipped = offset + Math.max(0, Number(parseCursor(cursor, ["number"])?.[0] ?? 0));
    const { rows } = await this.#db.execute<QueuedRunRow>(sql`
      with ${queueOrder},
      visible as (
        select waiting.task_id, waiting.priority, waiting.queued_at, waiting.id, queue.position
        from waiting
        join boards on boards.id = waiting.board_id
        left join queue on queue.id = waiting.id
        where ${isVisibleBoard(scope)}
      )
      select total.n as total, page.*
      from (select count(*)::int as n from visible) total
      left join (
        select * from visible order by position, priority desc, queued_at, id limit ${limit} offset ${skipped}
      ) page on true
      order by page.position, page.priority desc, page.queued_at, page.id`);
    const total = rows[0]?.total ?? 0;
    const tasks = rows.flatMap(toQueuedRun);
    const end = skipped + tasks.length;
    return { tasks, total, ...(tasks.length > 0 && end < total && { next_cursor: formatCursor([`${end}`]) }) };
  }
}

/** A row without a run carries only the total. */
interface QueuedRunRow extends Record<string, unknown> {
  readonly total: number;
  readonly task_id: string | null;
  readonly priority: number;
  readonly queued_at: string;
  readonly position: number | null;
}

const toQueuedRun = ({ task_id, priority, queued_at, position }: QueuedRunRow): QueuedRun[] =>
  task_id === null ? [] : [{ task_id, priority, queued_at: new Date(queued_at), position }];
