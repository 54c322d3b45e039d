import { randomUUID } from "node:crypto";
import {
  type EventDataByKind,
  type OrganizationRole,
  type TaskInput,
  type TaskState,
  type TaskUpdate,
  WharfError,
} from "@wharf/contract";
import { taskTransitions } from "@wharf/contract/task-transitions";
import { and, between, eq, getTableColumns, isNull, type SQL, sql } from "drizzle-orm";
import {
  isVisibleBoard,
  isVisibleTask,
  type PlacedScope,
  requireBoardPermission,
  type Scope,
  selectBoardRole,
  type VisibilityScope,
} from "../access/index.ts";
import type { Log, LogEnd, LogWriter } from "../events/index.ts";
import {
  buildOnce,
  countNewest,
  createCursorLookup,
  toPage,
  type Database,
  omitUndefined,
  type Executor,
  type ExpectedVersions,
  parseIdRange,
  readNewestKeys,
  requireVersion,
  schema,
  sortByKeys,
} from "../store/index.ts";
import { createAssigneeCondition } from "./find-assignee.ts";
import { type TaskMatches, findTasks } from "./find-many.ts";
import { createTaskQuery, type TaskFilter } from "./task-filter.ts";

const { boards, task_dependencies, tasks } = schema;
export type TaskRow = typeof tasks.$inferSelect;
/**
 * The columns that a transaction on a task reads: not the texts, which may be long and do not
 * change.
 */
const { description: _, metadata: __, ...lockedColumns } = getTableColumns(tasks);
export type LockedTask = Omit<TaskRow, "description" | "metadata">;

interface TaskPage {
  readonly tasks: LockedTask[];
  readonly total: number;
  readonly total_capped?: true;
  readonly next_cursor?: string;
}

/** Counting stops at this limit for a list of tasks. */
const maxCountedTasks = 1_000;

/** Tasks on the boards of the requesting person, and the only way their state changes. */
export class Tasks {
  readonly #db: Database;
  readonly #log: Log;

  constructor(db: Database, log: Log) {
    this.#db = db;
    this.#log = log;
  }

  /** Creates a task. Those that it waits for cannot wait for it, so there is no cycle. */
  create(
    creatorId: string,
    boardId: string,
    { depends_on: dependsOnIds = [], ...input }: TaskInput,
    /** Adds rows of other modules in the transaction; the result shows no change of the task. */
    withTask: (tx: Executor, taskId: string) => Promise<void> = async () => undefined,
  ): Promise<TaskRow> {
    const id = randomUUID();
    return this.#log.write(async ({ tx, begin }) => {
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
      const insertTask = async (end: LogEnd) => {
        const [row] = await tx
          .insert(tasks)
          .values({ ...omitUndefined(rest), ...values, ...end })
          .returning();
        return row!;
      };
      const task = await begin(insertTask, [
        { data: { kind: "state", entity: "task", to: "TODO" }, created_by: creatorId },
      ]);
      const dependencies = dependsOnIds.map((neededId) => ({
        task_id: id,
        depends_on_id: neededId,
        created_by: creatorId,
      }));
      if (dependencies.length > 0) await tx.insert(task_dependencies).values(dependencies);
      await withTask(tx, id);
      return task;
    });
  }

  /** Returns the tasks that match, in their order, without the texts that may be long. */
  async list(scope: VisibilityScope, filter: TaskFilter): Promise<TaskPage> {
    const conditions =
      filter.assignee === undefined ? [] : [await createAssigneeCondition(this.#db, scope, filter.assignee)];
    const newest = createTaskQuery(isVisibleBoard(scope), filter, conditions);
    const [keys, total] = await Promise.all([
      readNewestKeys(this.#db, newest, filter),
      countNewest(this.#db, newest, maxCountedTasks),
    ]);
    const ids = keys.map(({ id }) => id);
    const rows = await this.#db
      .select(lockedColumns)
      .from(tasks)
      .where(sql`${tasks.id} = any(${sql.param(ids)}::uuid[])`);
    const cut = { limit: filter.limit, cursorAfter: createCursorLookup(keys) };
    const { rows: page, ...end } = toPage(sortByKeys(rows, keys), cut);
    return { tasks: page, ...total, ...end };
  }

  /** Finds a task by its id or by a unique prefix of it. */
  async find(scope: Scope, id: string): Promise<TaskRow> {
    const range = parseIdRange(id);
    if (!range) throw new WharfError("task_not_found", { id });
    const { organization_id, user_id, role } = scope;
    const rows =
      range.low === range.high
        ? await selectTask(this.#db, { id: range.low, organization_id, user_id }, role)
        : await selectTasks(this.#db, scope, between(tasks.id, range.low, range.high));
    if (rows.length > 1) throw new WharfError("ambiguous_id", { what: "task", id });
    if (!rows[0]) throw new WharfError("task_not_found", { id });
    requireBoardPermission(scope, rows[0].role);
    return rows[0].task;
  }

  /** Works like `find`, for many ids in one statement. */
  findMany(scope: VisibilityScope, ids: readonly string[]): Promise<TaskMatches> {
    return findTasks(this.#db, scope, ids);
  }

  /** Changes the named fields and logs their names. */
  update(
    id: string,
    change: TaskUpdate,
    { by: actorId, expected }: { by: string; expected?: ExpectedVersions },
  ): Promise<TaskRow> {
    const fields = omitUndefined(change);
    return this.#log.write(async ({ tx, append }) => {
      await lockTask(tx, id, expected);
      if (Object.keys(fields).length === 0) return getTask(tx, id);
      await tx
        .update(tasks)
        .set({ ...fields, updated_at: new Date() })
        .where(eq(tasks.id, id));
      await append(id, [{ created_by: actorId, data: createUpdate(fields) }]);
      return getTask(tx, id);
    });
  }

  /** Changes only the state; `runs` moves a task whose state means that an agent works. */
  move(
    id: string,
    targetState: TaskState,
    options: MoveOptions & { readonly expected?: ExpectedVersions },
  ): Promise<TaskRow> {
    return this.#log.write(async (writer) => {
      await moveTask(writer, await lockTask(writer.tx, id, options.expected), targetState, options);
      return getTask(writer.tx, id);
    });
  }
}

/** Selects the tasks of a condition that a scope sees; a second one means that it is ambiguous. */
const selectTasks = (db: Executor, scope: VisibilityScope | PlacedScope, condition: SQL) =>
  db
    .select({ task: tasks, role: selectBoardRole(scope) })
    .from(tasks)
    .innerJoin(boards, eq(boards.id, tasks.board_id))
    .where(and(condition, isVisibleTask(scope)))
    .limit(2);

const selectTask = buildOnce(["id", "organization_id", "user_id"], (db, { id, ...ids }, role: OrganizationRole) =>
  selectTasks(db, { ...ids, role }, eq(tasks.id, id)),
);

/** Names the changed fields, with the values that a list of tasks shows. */
function createUpdate(fields: Partial<TaskUpdate>): EventDataByKind<"update"> {
  const { title, priority, agent_type, branch } = fields;
  return {
    kind: "update",
    fields: Object.keys(fields),
    values: omitUndefined({ title, priority, agent_type, branch }),
  };
}

async function getTask(tx: Executor, id: string): Promise<TaskRow> {
  const [row] = await tx.select().from(tasks).where(eq(tasks.id, id));
  if (!row) throw new WharfError("task_not_found", { id });
  return row;
}

/**
 * Every transaction that changes a task, its runs or its turns takes this lock first, so that two
 * of them cannot deadlock. Of the transactions that expect the same version one succeeds.
 */
export async function lockTask(tx: Executor, id: string, expected?: ExpectedVersions): Promise<LockedTask> {
  const [row] = await tx
    .select(lockedColumns)
    .from(tasks)
    .where(and(eq(tasks.id, id), isNull(tasks.deleted_at)))
    .for("update");
  if (!row) throw new WharfError("task_not_found", { id });
  requireVersion("task", row, expected);
  return row;
}

export interface MoveOptions {
  readonly reason?: string | undefined;
  readonly by?: string | undefined;
}

/** Takes one step of the task's state machine and logs it; an unchanged state is no step. */
export async function moveTask(
  writer: LogWriter,
  task: Pick<TaskRow, "id" | "state" | "started_at">,
  targetState: TaskState,
  { reason, by: actorId }: MoveOptions = {},
): Promise<void> {
  if (task.state === targetState) return;
  if (!taskTransitions[task.state].includes(targetState))
    throw new WharfError("task_transition_invalid", { task_id: task.id, from: task.state, to: targetState });
  const currentTime = new Date();
  const ended = targetState === "COMPLETED" || targetState === "FAILED" || targetState === "CANCELLED";
  await writer.tx
    .update(tasks)
    .set({
      state: targetState,
      updated_at: currentTime,
      completed_at: ended ? currentTime : null,
      blocking_budget_id: null,
      blocked_cost: null,
      resume_at: null,
      ...(targetState === "IN_PROGRESS" && !task.started_at && { started_at: currentTime }),
    })
    .where(eq(tasks.id, task.id));
  await writer.append(task.id, [
    {
      data: { kind: "state", entity: "task", from: task.state, to: targetState, ...(reason && { reason }) },
      ...(actorId && { created_by: actorId }),
    },
  ]);
}
