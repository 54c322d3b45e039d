import { eq, sql } from "drizzle-orm";
import { insertDeletion, type Log } from "../../events/index.ts";
import { requestHolders } from "../../runners/index.ts";
import { type Executor, type ExpectedVersions, schema } from "../../store/index.ts";
import { lockBoard, lockTask } from "../../tasks/index.ts";

const { boards, tasks } = schema;

/**
 * A deletion mark makes a task or a board invisible at once; `Removal` deletes the rows afterwards.
 * From then on nothing may be appended to the task's log, its run ends, and its runner is destroyed
 * with its disk.
 */
export async function deleteTask(log: Log, taskId: string, expected?: ExpectedVersions): Promise<void> {
  await log.write(async ({ tx }) => {
    await lockTask(tx, taskId, expected);
    await insertDeletion(tx, taskId);
    await markDeleted(tx, [taskId]);
  });
  log.published.number();
}

/** Marks only the board, however large it is; `Removal` marks its tasks. */
export async function deleteBoard(log: Log, boardId: string, expected?: ExpectedVersions): Promise<void> {
  const deletedAt = new Date();
  await log.write(async ({ tx }) => {
    await lockBoard(tx, boardId, expected);
    await tx.update(boards).set({ deleted_at: deletedAt, updated_at: deletedAt }).where(eq(boards.id, boardId));
  });
}

/**
 * Marks tasks as deleted, ends their runs and discards their runners. The caller holds the tasks'
 * locks.
 */
export async function markDeleted(tx: Executor, ids: readonly string[]): Promise<void> {
  const anyTask = sql`any(${sql.param(ids)}::uuid[])`;
  await tx.execute(sql`
    insert into dropped_branches (repository_id, branch)
    select distinct runs.repository_id, tasks.shadow_branch
    from runs join tasks on tasks.id = runs.task_id
    where runs.task_id = ${anyTask} and runs.repository_id is not null
    on conflict do nothing`);
  const { rows } = await tx.execute<{ id: string }>(sql`
    update runners set desired = 'DESTROYED', board_id = null, updated_at = now()
    where id = any(array(select runner_id from runs where task_id = ${anyTask} and runner_id is not null))
    returning id`);
  await requestHolders(
    tx,
    rows.map(({ id }) => id),
  );
  await tx.execute(sql`
    update runs set status = 'STOPPED', desired = 'STOP', stop_reason = 'the task was deleted', stopped_at = now(),
      slot = false, queued_at = null, phase = null, deadline = null, updated_at = now()
    where task_id = ${anyTask} and status in ('PENDING', 'STARTING', 'RUNNING', 'PAUSED')`);
  await tx.execute(sql`update runs set board_id = null where task_id = ${anyTask}`);
  await tx.execute(sql`delete from pushes where task_id = ${anyTask}`);
  await tx
    .update(tasks)
    .set({ deleted_at: sql`now()`, updated_at: sql`now()` })
    .where(sql`${tasks.id} = ${anyTask}`);
}
