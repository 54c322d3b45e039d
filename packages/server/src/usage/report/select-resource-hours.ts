import type { ResourceGroup } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import type { ReportTimes } from "./read-report.ts";

/**
 * Selects the hours of runners: what they used, and the disks that they held, which count until
 * now. A disk is divided into hours or days only for a report of them; otherwise it is one row,
 * in the first hour of the report in which it was held.
 */
export function selectResourceHours({ from, to }: ReportTimes, group: ResourceGroup | undefined): SQL {
  const start = sql`greatest(disk.held_from, ${from}::timestamptz)`;
  const end = sql`least(disk.held_until, now(), ${to ?? "infinity"}::timestamptz)`;
  return sql`(
    select hour, organization_id, board_id, task_id, user_id, run_id, runner_id, agent_type, tier, cpu_ms, running_ms,
      memory_mib_seconds, 0::numeric as disk_mib_seconds
    from runner_hours
    union all
    select date_trunc('hour', part.start, 'UTC'), organization_id, board_id, task_id, user_id, run_id, runner_id,
      agent_type, tier, 0, 0, 0, disk_mib * extract(epoch from part.finish - part.start)
    from runner_disks disk
    cross join lateral (select ${start} as start, ${end} as finish) held
    cross join lateral (${selectParts(group)}) part
    where disk.held_until > ${from}::timestamptz and held.start < held.finish
  ) hours`;
}

/** Divides the time in which a disk was held into the parts that the report has rows for. */
function selectParts(group: ResourceGroup | undefined): SQL {
  if (group !== "hour" && group !== "day") return sql`select held.start, held.finish`;
  // Days of UTC have 24 hours, whatever the time zone of the session.
  const length = group === "hour" ? sql`interval '1 hour'` : sql`interval '24 hours'`;
  return sql`
    select greatest(begin, held.start) as start, least(begin + ${length}, held.finish) as finish
    from generate_series(date_trunc(${group}, held.start, 'UTC'), held.finish, ${length}) begin
    where begin < held.finish`;
}
