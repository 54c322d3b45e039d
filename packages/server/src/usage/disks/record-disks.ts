import { sql } from "drizzle-orm";
import type { Executor } from "../../store/index.ts";

/** The disk of a runner that a run or a person begins to use. */
export interface RunnerDisk {
  readonly runner_id: string;
  readonly disk_bytes: number;
}

const bytesPerMib = 2 ** 20;

/**
 * Records who holds the disks of runners from now on, in the transaction that assigns the runners.
 * A disk belongs to the runner's newest run and to the person who prompted that last. A disk that
 * changes hands ends one row and begins the next at the same instant, so that each instant counts
 * once; it keeps its size, because backends do not resize disks. A repeated call changes nothing.
 */
export async function recordDisks(tx: Executor, disks: readonly RunnerDisk[]): Promise<void> {
  if (disks.length === 0) return;
  const rows = disks.map(({ runner_id, disk_bytes }) => ({ runner_id, disk_mib: Math.ceil(disk_bytes / bytesPerMib) }));
  await tx.execute(sql`
    with disk as (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as one (runner_id uuid, disk_mib bigint)
    ),
    runner as (
      select id, tier, board_id, organization_id, owner_id from runners
      where id = any(array(select runner_id from disk)) and state <> 'DESTROYED'
      for no key update
    ),
    holder as (
      select runner.id as runner_id, coalesce(run.id, runner.id) as run_id, runner.tier, run.task_id, run.agent_type,
        coalesce(task.board_id, runner.board_id) as board_id,
        coalesce(board.organization_id, runner.organization_id) as organization_id,
        coalesce(turn.created_by, task.created_by, runner.owner_id) as user_id, disk.disk_mib
      from disk
      join runner on runner.id = disk.runner_id
      left join lateral (
        select * from runs where runner_id = runner.id order by created_at desc, id desc limit 1
      ) run on true
      left join lateral (select * from tasks where id = run.task_id limit 1) task on true
      left join lateral (
        select * from boards where id = coalesce(task.board_id, runner.board_id) limit 1
      ) board on true
      left join lateral (
        select created_by from turns where run_id = run.id order by created_at desc, id desc limit 1
      ) turn on true
    ),
    change as (
      select holder.runner_id, holder.run_id, holder.organization_id, holder.board_id, holder.task_id, holder.user_id,
        holder.agent_type, holder.tier, coalesce(former.disk_mib, holder.disk_mib) as disk_mib
      from holder
      left join lateral (
        select * from runner_disks where runner_id = holder.runner_id and held_until = 'infinity' limit 1
      ) former on true
      where holder.organization_id is not null
        and (former.run_id, former.user_id) is distinct from (holder.run_id, holder.user_id)
    ),
    ended as (
      update runner_disks set held_until = greatest(now(), held_from)
      where runner_id = any(array(select runner_id from change)) and held_until = 'infinity'
      returning runner_id, held_until
    )
    insert into runner_disks (runner_id, run_id, organization_id, board_id, task_id, user_id, agent_type, tier, disk_mib,
      held_from)
    select change.*, coalesce(ended.held_until, now()) from change left join ended using (runner_id)
    on conflict do nothing`);
}
