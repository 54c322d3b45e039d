import { randomUUID } from "node:crypto";
import { type TaskInput, type TaskState, type TaskUpdate, WharfError } from "@wharf/contract";
import { and, count, desc, eq, getTableColumns, isNull } from "drizzle-orm";
import type { Log, LogWriter } from "../events/index.ts";
import { type Database, defined, type Executor, matchId, schema } from "../store/index.ts";
import { taskTransitions } from "./states.ts";

const { boards, tasks } = schema;
export type TaskRow = typeof tasks.$inferSelect;
/** What a transaction that changes a task reads of it: not the texts, which may be long and stay as they are. */
const { description: _, metadata: __, ...lockedColumns } = getTableColumns(tasks);
export type LockedTask = Omit<TaskRow, "description" | "metadata">;

export interface TaskFilter {
  readonly board_id?: string;
  readonly state?: TaskState | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Tasks on the boards of the person who asks, and the one way their state changes. */
export class Tasks {
  readonly #db: Database;
  readonly #log: Log;

  constructor(db: Database, log: Log) {
    this.#db = db;
    this.#log = log;
  }

  create(creatorId: string, boardId: string, input: TaskInput): Promise<TaskRow> {
    const id = randomUUID();
    return this.#log.write(async ({ tx, append }) => {
      const { permission_policy = "ask", interrupt_policy = "ask", metadata = {}, ...rest } = input;
      const values = {
        id,
        board_id: boardId,
        shadow_branch: `shadow/task-${id}`,
        created_by: creatorId,
        permission_policy,
        interrupt_policy,
        metadata,
      };
      await tx.insert(tasks).values({ ...defined(rest), ...values });
      await append(id, [{ data: { kind: "state", entity: "task", to: "TODO" }, created_by: creatorId }]);
      return getTask(tx, id);
    });
  }

  async list(ownerId: string, filter: TaskFilter): Promise<{ tasks: TaskRow[]; total: number }> {
    const where = and(
      visibleTo(ownerId),
      filter.board_id ? eq(tasks.board_id, filter.board_id) : undefined,
      filter.state ? eq(tasks.state, filter.state) : undefined,
    );
    const joined = eq(boards.id, tasks.board_id);
    const [rows, [total]] = await Promise.all([
      this.#db
        .select()
        .from(tasks)
        .innerJoin(boards, joined)
        .where(where)
        .orderBy(desc(tasks.created_at))
        .limit(filter.limit)
        .offset(filter.offset),
      this.#db.select({ n: count() }).from(tasks).innerJoin(boards, joined).where(where),
    ]);
    return { tasks: rows.map((row) => row.tasks), total: total?.n ?? 0 };
  }

  /** By id, or by enough of its first letters to tell it from the others. */
  async find(ownerId: string, id: string): Promise<TaskRow> {
    const matches = matchId(tasks.id, id);
    if (!matches) throw new WharfError("not_found", { what: "task", id });
    const rows = await this.#db
      .select()
      .from(tasks)
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .where(and(matches, visibleTo(ownerId)))
      .limit(2);
    if (rows.length > 1) throw new WharfError("ambiguous_id", { what: "task", id });
    if (!rows[0]) throw new WharfError("not_found", { what: "task", id });
    return rows[0].tasks;
  }

  async update(id: string, change: TaskUpdate): Promise<TaskRow> {
    const [row] = await this.#db
      .update(tasks)
      .set({ ...defined(change), updated_at: new Date() })
      .where(eq(tasks.id, id))
      .returning();
    if (!row) throw new WharfError("not_found", { what: "task", id });
    return row;
  }

  /** Changes the state alone; a task whose state means that an agent works is moved by `runs`. */
  move(id: string, to: TaskState, options: MoveOptions): Promise<TaskRow> {
    return this.#log.write(async (writer) => {
      await moveTask(writer, await lockTask(writer.tx, id), to, options);
      return getTask(writer.tx, id);
    });
  }
}

/** What is on a person's boards; deleted tasks and boards are nowhere. */
const visibleTo = (ownerId: string) =>
  and(eq(boards.owner_id, ownerId), isNull(boards.deleted_at), isNull(tasks.deleted_at));

async function getTask(tx: Executor, id: string): Promise<TaskRow> {
  const [row] = await tx.select().from(tasks).where(eq(tasks.id, id));
  if (!row) throw new WharfError("not_found", { what: "task", id });
  return row;
}

/** Every transaction that changes a task, its runs or its turns takes this lock first, so that two of them never wait for each other. */
export async function lockTask(tx: Executor, id: string): Promise<LockedTask> {
  const [row] = await tx
    .select(lockedColumns)
    .from(tasks)
    .where(and(eq(tasks.id, id), isNull(tasks.deleted_at)))
    .for("update");
  if (!row) throw new WharfError("not_found", { what: "task", id });
  return row;
}

export interface MoveOptions {
  readonly reason?: string | undefined;
  readonly by?: string | undefined;
}

/** Takes one step of the task's state machine and writes it into the log; staying where it is is no step. */
export async function moveTask(
  writer: LogWriter,
  task: Pick<TaskRow, "id" | "state" | "started_at">,
  to: TaskState,
  { reason, by }: MoveOptions = {},
): Promise<void> {
  if (task.state === to) return;
  if (!taskTransitions[task.state].includes(to))
    throw new WharfError("conflict", { what: "task", from: task.state, to });
  const now = new Date();
  const ended = to === "COMPLETED" || to === "FAILED" || to === "CANCELLED";
  await writer.tx
    .update(tasks)
    .set({
      state: to,
      updated_at: now,
      completed_at: ended ? now : null,
      ...(to === "IN_PROGRESS" && !task.started_at && { started_at: now }),
    })
    .where(eq(tasks.id, task.id));
  await writer.append(task.id, [
    {
      data: { kind: "state", entity: "task", from: task.state, to, ...(reason && { reason }) },
      ...(by && { created_by: by }),
    },
  ]);
}
