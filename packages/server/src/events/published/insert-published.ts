import { sql } from "drizzle-orm";
import { type Executor, schema } from "../../store/index.ts";

const { published_events } = schema;

/** An event of a task's log, by its number across tasks and its sequence. */
export interface PublishedReference {
  readonly id: number;
  readonly seq: number;
}

interface TaskOnBoard {
  readonly task_id: string;
  readonly board_id: string;
}

/** Adds events to those that boards get. They have no position yet. */
export async function insertPublished(
  tx: Executor,
  { task_id, board_id }: TaskOnBoard,
  references: readonly PublishedReference[],
): Promise<void> {
  const ids = sql.param(references.map(({ id }) => id));
  const seqs = sql.param(references.map(({ seq }) => seq));
  await tx.execute(sql`
    insert into ${published_events} (id, organization_id, board_id, task_id, seq)
    select reference.id, boards.organization_id, boards.id, ${task_id}::uuid, reference.seq
    from boards, unnest(${ids}::bigint[], ${seqs}::bigint[]) as reference (id, seq)
    where boards.id = ${board_id}
    on conflict (id) do nothing`);
}

/** Adds the deletion of a task, whose log takes no more events. */
export async function insertDeletion(tx: Executor, taskId: string): Promise<void> {
  await tx.execute(sql`
    insert into ${published_events} (id, organization_id, board_id, task_id)
    select nextval(pg_get_serial_sequence('events', 'id')), boards.organization_id, boards.id, tasks.id
    from tasks join boards on boards.id = tasks.board_id
    where tasks.id = ${taskId}`);
}
