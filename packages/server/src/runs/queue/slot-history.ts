import { sql } from "drizzle-orm";
import type { Database } from "../../store/index.ts";

/** How long recent turns of all servers had a slot, and how long the running ones have had it. */
export interface SlotHistory {
  /** The mean of the recent turns, in ms; undefined if there were too few of them. */
  readonly turnMs: number | undefined;
  readonly runningMs: readonly number[];
}

/** Number of ended turns that are read. */
const maxTurns = 50;
/** With fewer turns, a mean says nothing about the next one. */
const minTurns = 3;

export async function readSlotHistory(db: Database): Promise<SlotHistory> {
  const { rows } = await db.execute<{ n: number; turn_ms: number | null; running_ms: number[] }>(sql`
    select recent.n, recent.turn_ms, array(
      select coalesce(extract(epoch from now() - turn.started_at) * 1000, 0)::float8
      from runs left join lateral (
        select started_at from turns
        where turns.task_id = runs.task_id and turns.state in ('QUEUED', 'RUNNING') and turns.state = 'RUNNING' limit 1
      ) turn on true
      where runs.slot
    ) as running_ms
    from (
      select count(*)::int as n, (avg(extract(epoch from ended_at - started_at)) * 1000)::float8 as turn_ms from (
        select started_at, ended_at from turns
        where started_at is not null and ended_at is not null
        order by ended_at desc limit ${maxTurns}
      ) ended
    ) recent`);
  const { n = 0, turn_ms = null, running_ms = [] } = rows[0] ?? {};
  return { turnMs: n < minTurns || turn_ms === null ? undefined : turn_ms, runningMs: running_ms };
}

/**
 * Estimates when the run at each position of the queue starts, in ms from now: a slot becomes free
 * when its turn has run as long as the recent ones. A turn that already runs longer may end at any
 * moment. Returns nothing if the history is too short.
 */
export function estimateStarts({ turnMs, runningMs }: SlotHistory, slots: number, count: number): readonly number[] {
  if (turnMs === undefined || slots <= 0) return [];
  const ends = runningMs.map((ms) => Math.max(0, turnMs - ms)).sort((a, b) => a - b);
  // After a limit was lowered, the first turns that end free no slot.
  const times = ends.length > slots ? ends.slice(ends.length - slots) : ends;
  while (times.length < slots) times.unshift(0);
  const starts: number[] = [];
  for (let next = 0; next < count; next++) {
    const start = times[next] ?? 0;
    starts.push(start);
    // Every turn is as long as the others, so slots become free in the order of their starts.
    times.push(start + turnMs);
  }
  return starts;
}
