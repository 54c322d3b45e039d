import type { WaitCause } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import { isVisibleBoard, type Scope, type VisibilityScope } from "../../access/index.ts";
import { type Database, formatCursor, type PageQuery, parseCursor, schema } from "../../store/index.ts";
import { createQueueOrder, type DefaultRunLimits, selectOpenDependencies } from "./queue-order.ts";
import { type QueueState, readQueueState, type SlotLimits } from "./queue-state.ts";
import { estimateStarts, readSlotHistory } from "./slot-history.ts";
import { getWaitReason, type WaitingRun } from "./wait-reason.ts";

const { queue_pauses } = schema;

export interface QueuedTask {
  readonly task_id: string;
  readonly title: string;
  readonly priority: number;
  readonly queued_at: Date;
  readonly waits_for: WaitCause;
  readonly reason: string;
  /** 1 for the run that gets the next slot; null while the run waits for something else. */
  readonly position: number | null;
  /** From the durations of recent turns; null if it is unknown. */
  readonly estimated_start: Date | null;
}

interface QueuePage {
  readonly tasks: QueuedTask[];
  readonly total: number;
  readonly next_cursor?: string;
}

export interface QueueOptions extends SlotLimits {
  /** The limits of users, boards and organizations. */
  readonly shares?: DefaultRunLimits | undefined;
  /** Called when the queue is resumed, because runs may start now. */
  readonly onChange?: () => void;
}

/** Reads the queue for the people who may see the boards of its tasks, and pauses it. */
export class Queue {
  readonly #db: Database;
  readonly #options: QueueOptions;

  constructor(db: Database, options: QueueOptions) {
    this.#db = db;
    this.#options = options;
  }

  /**
   * Returns the waiting runs in the order in which they get slots, then those that wait for
   * something else. Positions count the runs of all users. A cursor is a number of runs, because
   * the order changes with each slot.
   */
  async list(scope: VisibilityScope, { limit, offset = 0, cursor }: PageQuery): Promise<QueuePage> {
    const skipped = offset + Math.max(0, Number(parseCursor(cursor, ["number"])?.[0] ?? 0));
    const { tasks, total } = await this.#read(isVisibleBoard(scope), { limit, offset: skipped });
    const end = skipped + tasks.length;
    return { tasks, total, ...(tasks.length > 0 && end < total && { next_cursor: formatCursor([`${end}`]) }) };
  }

  /** Returns why a task waits, or undefined if it does not. */
  async find(taskId: string): Promise<QueuedTask | undefined> {
    const { tasks } = await this.#read(sql`waiting.task_id = ${taskId}`, { limit: 1, offset: 0 });
    return tasks[0];
  }

  readState(): Promise<QueueState> {
    return readQueueState(this.#db, this.#options);
  }

  /** Counts the waiting runs and the running turns on visible boards; operators see all of them. */
  async count(scope: VisibilityScope & Pick<Scope, "is_operator">): Promise<{ queued: number; running: number }> {
    const isVisible = scope.is_operator ? sql`true` : isVisibleBoard(scope);
    const countRuns = (condition: SQL) => sql`(
      select count(*)::int from runs join boards on boards.id = runs.board_id where ${condition} and ${isVisible})`;
    const { rows } = await this.#db.execute<{ queued: number; running: number }>(sql`
      select ${countRuns(sql`runs.queued_at is not null`)} as queued, ${countRuns(sql`runs.slot`)} as running`);
    return rows[0] ?? { queued: 0, running: 0 };
  }

  /** Stops giving slots, on all servers. Running turns go on. */
  async pause({ by: userId, reason }: { by: string; reason?: string | undefined }): Promise<void> {
    const values = { reason: reason ?? null, paused_by: userId };
    await this.#db.insert(queue_pauses).values(values).onConflictDoUpdate({ target: queue_pauses.only, set: values });
  }

  async resume(): Promise<void> {
    await this.#db.delete(queue_pauses);
    this.#options.onChange?.();
  }

  async #read(
    condition: SQL,
    { limit, offset }: { limit: number; offset: number },
  ): Promise<{ tasks: QueuedTask[]; total: number }> {
    const [state, history, { rows }] = await Promise.all([
      this.readState(),
      readSlotHistory(this.#db),
      this.#db.execute<QueueRow>(sql`
        with ${createQueueOrder(this.#options.shares ?? {})},
        selected as (
          select waiting.*, queue.position
          from waiting
          join boards on boards.id = waiting.board_id
          left join queue on queue.id = waiting.id
          where ${condition}
        )
        select total.n as total, page.*, task.title, case when page.hold = 'dependency' then array(
          select jsonb_build_object('id', task_dependencies.depends_on_id, 'state', needed.state)
          ${selectOpenDependencies(sql`page.task_id`)} order by task_dependencies.created_at
        ) end as open_dependencies
        from (select count(*)::int as n from selected) total
        left join (
          select * from selected order by position, priority desc, queued_at, id limit ${limit} offset ${offset}
        ) page on true
        left join lateral (select title from tasks where tasks.id = page.task_id limit 1) task on true
        order by page.position, page.priority desc, page.queued_at, page.id`),
    ]);
    const tasks = rows.flatMap((row) => (row.task_id === null ? [] : [toTask(row, state)]));
    const lastPosition = Math.max(0, ...tasks.map(({ position }) => position ?? 0));
    const starts = estimateStarts(history, state.slots, lastPosition);
    const nowMs = Date.now();
    const getStart = ({ waits_for, position }: WaitingTask) => {
      const startMs = waits_for === "slot" && position !== null ? starts[position - 1] : undefined;
      return startMs === undefined ? null : new Date(nowMs + startMs);
    };
    return {
      total: rows[0]?.total ?? 0,
      tasks: tasks.map((task) => ({ ...task, estimated_start: getStart(task) })),
    };
  }
}

/** A row without a run carries only the total. */
interface QueueRow extends WaitingRun, Record<string, unknown> {
  readonly total: number;
  readonly task_id: string | null;
  readonly title: string;
  readonly priority: number;
  readonly queued_at: string;
  readonly position: number | null;
}

type WaitingTask = Omit<QueuedTask, "estimated_start">;

const toTask = (row: QueueRow, state: QueueState): WaitingTask => ({
  task_id: row.task_id ?? "",
  title: row.title,
  priority: row.priority,
  queued_at: new Date(row.queued_at),
  ...getWaitReason(row, state),
  position: row.position,
});
