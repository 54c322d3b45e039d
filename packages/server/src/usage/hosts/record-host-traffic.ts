import type { LedgerDatabase } from "../ledger/ledger-database.ts";

/** What a runner exchanged with a host over one or more connections. */
export interface HostTrafficEntry {
  /** The task, or the runner itself if a person created it. */
  readonly source_id: string;
  readonly runner_id: string;
  /** Null for hosts beyond a limit. */
  readonly host: string | null;
  readonly connections: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
}

/** Hosts of a source with their own row. An entry such as `*.example.com` allows any number. */
export const maxHosts = 500;

/** Adds traffic to the rows of its hosts. Hosts beyond the limit of a source share one row. */
export async function recordHostTraffic(db: LedgerDatabase, entries: readonly HostTrafficEntry[]): Promise<void> {
  await db.query({ name: "record_host_traffic", text: addTraffic, values: [JSON.stringify(entries), maxHosts] });
}

const addTraffic = `
  with entry as (
    select * from jsonb_to_recordset($1::jsonb) as one (
      source_id uuid, runner_id uuid, host text, connections bigint, bytes_in bigint, bytes_out bigint)
  ),
  source as (
    select one.source_id, task.id as task_id, coalesce(task.board_id, runner.board_id) as board_id,
      coalesce(board.organization_id, runner.organization_id) as organization_id,
      (select count(*) from host_usage where host_usage.source_id = one.source_id) as host_count
    from (select source_id, (array_agg(runner_id))[1] as runner_id from entry group by source_id) one
    left join lateral (select * from runners where id = one.runner_id limit 1) runner on true
    left join lateral (select * from tasks where id = one.source_id limit 1) task on true
    left join lateral (select * from boards where id = coalesce(task.board_id, runner.board_id) limit 1) board on true
  ),
  ranked as (
    select entry.*, known.host is not null as is_known,
      row_number() over (partition by entry.source_id, known.host is null order by entry.host) as rank
    from entry
    left join lateral (
      select host from host_usage where source_id = entry.source_id and host = entry.host limit 1
    ) known on true
  )
  insert into host_usage (
    source_id, host, organization_id, board_id, task_id, connections, bytes_in, bytes_out, first_at, last_at)
  select source_id, case when is_known or host_count + rank <= $2 then host end, organization_id, board_id, task_id,
    sum(connections), sum(bytes_in), sum(bytes_out), now(), now()
  from ranked join source using (source_id)
  group by 1, 2, 3, 4, 5
  order by 1, 2
  on conflict (source_id, host) do update set
    connections = host_usage.connections + excluded.connections,
    bytes_in = host_usage.bytes_in + excluded.bytes_in,
    bytes_out = host_usage.bytes_out + excluded.bytes_out,
    last_at = excluded.last_at`;
