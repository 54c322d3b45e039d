import type { LedgerDatabase } from "../ledger/ledger-database.ts";
import type { RunnerSample } from "./runner-sample.ts";

/** No runner uses more processors at the same time. */
const maxCpus = 1_024;
/** A figure of an engine may be this much older than the answer that contains it. */
const maxFigureAgeMs = 60_000;

/**
 * Counts what runners have used since their last samples, and returns the runners whose samples
 * counted. Samples of runners that this server has no lease of, repeated samples and impossible
 * ones add nothing.
 */
export async function recordRunnerSamples(
  db: LedgerDatabase,
  serverId: string,
  samples: readonly RunnerSample[],
): Promise<string[]> {
  const values = [JSON.stringify(samples), serverId];
  const { rows } = await db.query<{ runner_id: string }>({
    name: "record_runner_samples",
    text: recordSamples,
    values,
  });
  return rows.map(({ runner_id }) => runner_id);
}

/**
 * The counters of a launch only grow, so what they add to the highest known ones has not been
 * counted; those of a new launch have not been counted at all. The statement replaces the known
 * counters that it read: if another one has replaced them meanwhile, the sample adds nothing, and
 * the next one adds more. No runner runs for longer than the time since its last sample, whatever
 * the engine's clock says. Memory counts with the mean of both samples.
 *
 * Usage belongs to the runner's newest run and to the person who prompted it last. A runner that
 * waits in the pool has no organisation, and its usage is not kept.
 */
const recordSamples = `
  with sample as (
    select distinct on (runner_id) * from jsonb_to_recordset($1::jsonb) as one (
      runner_id uuid, epoch bigint, launch text, cpu_ms bigint, running_ms bigint, memory_bytes bigint)
    order by runner_id, running_ms desc
  ),
  leased as (
    select runner_id, epoch from runner_leases
    where server_id = $2 and runner_id = any(array(select runner_id from sample))
    for key share
  ),
  growth as (
    select sample.*, counter.sampled_at as last_sampled_at, runner.tier, run.id as run_id, run.task_id,
      run.agent_type, coalesce(task.board_id, runner.board_id) as board_id,
      coalesce(board.organization_id, runner.organization_id) as organization_id,
      coalesce(turn.created_by, task.created_by, runner.owner_id) as user_id,
      case when same.launch then greatest(counter.cpu_ms, sample.cpu_ms) else sample.cpu_ms end as next_cpu_ms,
      case when same.launch then counter.running_ms else 0 end as last_running_ms,
      case when same.launch then greatest(sample.cpu_ms - counter.cpu_ms, 0) else sample.cpu_ms end as cpu_growth,
      case when same.launch then greatest(sample.running_ms - counter.running_ms, 0) else sample.running_ms end
        as running_growth,
      case when same.launch then (counter.memory_bytes + sample.memory_bytes) / 2 else sample.memory_bytes end
        as mean_bytes,
      greatest(extract(epoch from now() - coalesce(counter.sampled_at, runner.created_at)) * 1000, 0) as window_ms,
      extract(epoch from now() - run.started_at) * 1000 as run_ms
    from sample
    join leased using (runner_id, epoch)
    cross join lateral (select * from runners where id = sample.runner_id limit 1) runner
    left join lateral (select * from runner_counters where runner_id = sample.runner_id limit 1) counter on true
    cross join lateral (select coalesce(counter.launch = sample.launch, false) as launch) same
    left join lateral (
      select * from runs where runner_id = sample.runner_id order by created_at desc, id desc limit 1
    ) run on true
    left join lateral (select * from tasks where id = run.task_id limit 1) task on true
    left join lateral (select * from boards where id = coalesce(task.board_id, runner.board_id) limit 1) board on true
    left join lateral (
      select * from turns where run_id = run.id and started_at is not null order by started_at desc limit 1
    ) turn on true
  ),
  plausible as (
    select *, last_running_ms + least(running_growth, window_ms)::bigint as next_running_ms,
      greatest(least(running_growth, window_ms, run_ms), 0)::bigint as running_usage_ms
    from growth where cpu_growth <= (window_ms + ${maxFigureAgeMs}) * ${maxCpus}
  ),
  created as (
    insert into runner_counters (runner_id, launch, cpu_ms, running_ms, memory_bytes, sampled_at)
    select runner_id, launch, next_cpu_ms, next_running_ms, memory_bytes, now()
    from plausible where last_sampled_at is null
    on conflict do nothing
    returning runner_id
  ),
  updated as (
    update runner_counters counter
    set launch = plausible.launch, cpu_ms = next_cpu_ms, running_ms = next_running_ms,
      memory_bytes = plausible.memory_bytes, sampled_at = now()
    from plausible
    where counter.runner_id = any(array(select runner_id from plausible))
      and counter.runner_id = plausible.runner_id and counter.sampled_at = plausible.last_sampled_at
    returning counter.runner_id
  ),
  counted as (
    select plausible.* from plausible
    join (select * from created union all select * from updated) written using (runner_id)
  ),
  hours as (
    insert into runner_hours (
      hour, runner_id, run_id, organization_id, board_id, task_id, user_id, agent_type, tier, cpu_ms, running_ms,
      memory_mib_seconds)
    select date_trunc('hour', now(), 'UTC'), runner_id, coalesce(run_id, runner_id), organization_id, board_id,
      task_id, user_id, agent_type, tier, cpu_growth, running_usage_ms,
      round(mean_bytes / 1048576.0 * running_usage_ms / 1000)
    from counted
    where organization_id is not null and (cpu_growth > 0 or running_usage_ms > 0)
    order by runner_id
    on conflict (run_id, hour, runner_id, user_id) do update set
      cpu_ms = runner_hours.cpu_ms + excluded.cpu_ms,
      running_ms = runner_hours.running_ms + excluded.running_ms,
      memory_mib_seconds = runner_hours.memory_mib_seconds + excluded.memory_mib_seconds
  )
  select runner_id from counted`;
