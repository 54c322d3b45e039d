import { type Dependency, maxDependencies, type TaskState, WharfError } from "@wharf/contract";
import { and, count, eq, sql } from "drizzle-orm";
import { isOnVisibleBoard, type Scope, type VisibilityScope } from "../access/index.ts";
import type { Log } from "../events/index.ts";
import { type Database, type Executor, schema } from "../store/index.ts";
import { lockTask, type TaskRow, type Tasks } from "./tasks.ts";

const { task_dependencies } = schema;

interface DependencyOptions {
  readonly tasks: Pick<Tasks, "find">;
  readonly log: Pick<Log, "write">;
  /** Called after a change, because a run may start now. */
  readonly onChange: () => void;
}

interface DependencyChange {
  readonly task: Pick<TaskRow, "id">;
  /** The other task, by its id or a unique prefix of it. */
  readonly dependsOn: string;
}

/** Which tasks wait for others. The queue holds back their runs. */
export class TaskDependencies {
  readonly #db: Database;
  readonly #options: DependencyOptions;

  constructor(db: Database, options: DependencyOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** Returns what a task waits for, with the titles that the person may see. */
  async list(scope: VisibilityScope, { id }: Pick<TaskRow, "id">): Promise<Dependency[]> {
    const { rows } = await this.#db.execute<{ task_id: string; title: string | null; state: TaskState | null }>(sql`
      select depends_on_id as task_id, tasks.state,
        case when ${isOnVisibleBoard(scope, sql`tasks.board_id`)} then tasks.title end as title
      from task_dependencies
      left join tasks on tasks.id = depends_on_id and tasks.deleted_at is null
      where task_id = ${id}
      order by task_dependencies.created_at, depends_on_id`);
    return rows.map(({ task_id, title, state }) => ({
      task_id,
      ...(title !== null && { title }),
      ...(state !== null && { state }),
      is_open: state !== "COMPLETED",
    }));
  }

  /** Returns the tasks that keep each of some tasks from their first start. */
  async findOpen(taskIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { rows } = await this.#db.execute<{ task_id: string; ids: string[] }>(sql`
      select task_id, array_agg(depends_on_id order by task_dependencies.created_at)::text[] as ids
      from task_dependencies
      left join tasks on tasks.id = depends_on_id and tasks.deleted_at is null
      where task_id = any(${sql.param(taskIds)}::uuid[]) and tasks.state is distinct from 'COMPLETED'
        and not exists (select from runs where runs.task_id = task_dependencies.task_id and runs.prompted)
      group by task_id`);
    return new Map(rows.map(({ task_id, ids }) => [task_id, ids]));
  }

  /** Returns the full ids of tasks that the person sees, for a new task that waits for them. */
  async findIds(scope: Scope, ids: readonly string[]): Promise<string[]> {
    const found = new Set<string>();
    for (const id of ids) found.add(await this.#findVisible(scope, { taskId: "", id }));
    return [...found];
  }

  async add(scope: Scope, { task, dependsOn }: DependencyChange): Promise<Dependency[]> {
    const dependsOnId = await this.#findVisible(scope, { taskId: task.id, id: dependsOn });
    await this.#options.log.write(async ({ tx, append }) => {
      await lockTask(tx, task.id);
      await lockDependencies(tx, scope.organization_id);
      if (await isReachable(tx, { from: dependsOnId, to: task.id }))
        throw new WharfError("dependency_cycle", { task_id: task.id, depends_on_id: dependsOnId });
      const added = await tx
        .insert(task_dependencies)
        .values({ task_id: task.id, depends_on_id: dependsOnId, created_by: scope.user_id })
        .onConflictDoNothing()
        .returning({ id: task_dependencies.depends_on_id });
      if (added.length === 0) return;
      const ownRows = eq(task_dependencies.task_id, task.id);
      const [existing] = await tx.select({ n: count() }).from(task_dependencies).where(ownRows);
      if ((existing?.n ?? 0) > maxDependencies)
        throw new WharfError("dependencies_full", { task_id: task.id, limit: maxDependencies });
      await tx.execute(sql`
        update runs set waits_for_tasks = true, updated_at = now()
        where task_id = ${task.id} and status = 'PENDING' and queued_at is not null and not prompted`);
      const message = `The task waits until task ${dependsOnId.slice(0, 8)} is COMPLETED.`;
      await append(task.id, [{ created_by: scope.user_id, data: { kind: "notice", message } }]);
    });
    return this.list(scope, task);
  }

  /** Removes a dependency, also one on a task that was deleted or that the person does not see. */
  async remove(scope: Scope, { task, dependsOn }: DependencyChange): Promise<Dependency[]> {
    const matches = (await this.list(scope, task)).filter(({ task_id }) => task_id.startsWith(dependsOn));
    if (matches.length > 1) throw new WharfError("ambiguous_id", { what: "task", id: dependsOn });
    const [match] = matches;
    if (!match) throw new WharfError("dependency_not_found", { task_id: task.id, id: dependsOn });
    await this.#options.log.write(async ({ tx, append }) => {
      await lockTask(tx, task.id);
      const ownRow = and(eq(task_dependencies.task_id, task.id), eq(task_dependencies.depends_on_id, match.task_id));
      await tx.delete(task_dependencies).where(ownRow);
      const message = `The task no longer waits for task ${match.task_id.slice(0, 8)}.`;
      await append(task.id, [{ created_by: scope.user_id, data: { kind: "notice", message } }]);
    });
    this.#options.onChange();
    return this.list(scope, task);
  }

  /** The person needs to see the other task, and nothing more. */
  async #findVisible(scope: Scope, { taskId, id }: { taskId: string; id: string }): Promise<string> {
    try {
      return (await this.#options.tasks.find({ ...scope, needs: "task:read" }, id)).id;
    } catch (error) {
      if (!(error instanceof WharfError) || error.code !== "task_not_found") throw error;
      throw new WharfError("dependency_not_found", { task_id: taskId, id }, { cause: error });
    }
  }
}

/**
 * Changes of an organisation's dependencies happen one at a time: two at once could each add a half
 * of a cycle that the other does not see.
 */
const lockDependencies = (tx: Executor, organizationId: string) =>
  tx.execute(sql`select pg_advisory_xact_lock(${dependencyLockKey}, hashtext(${organizationId}))`);

/** Number of the advisory lock; Wharf must use it for nothing else. */
const dependencyLockKey = 0x64_65_70_73;

/** Whether one task waits for another, directly or through others, or is that task. */
async function isReachable(tx: Executor, { from, to }: { from: string; to: string }): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    with recursive reached as (
      select ${from}::uuid as id
      union
      select depends_on_id from task_dependencies join reached on task_dependencies.task_id = reached.id
    )
    select from reached where id = ${to} limit 1`);
  return rows.length > 0;
}
