import { sql } from "drizzle-orm";
import type { Database } from "../../store/index.ts";

/** How many turns may run at the same time. */
export interface SlotLimits {
  readonly maxRuns: number;
  /** Maximum number of runners that are not stopped; undefined means no limit. */
  readonly maxRunners?: number | undefined;
  /** Whether the limits apply to each server or to all servers together. */
  readonly scope: "server" | "all";
}

export interface QueuePause {
  readonly reason: string | null;
  readonly paused_at: Date;
}

export interface QueueState {
  readonly slots: number;
  readonly running_turns: number;
  /** How many runners may be active on all servers, if that is limited, and how many are. */
  readonly runners: number | null;
  readonly active_runners: number;
  readonly pause: QueuePause | null;
}

/** A server that was not seen for this long gives no slots. */
const serverGoneSeconds = 60;

/** The pool, which has another limit, does not count. */
const countActiveRunners = sql`(
  select count(*)::int from runners where state in ('CREATING', 'READY') and pool_key is null)`;

/** Reads what the runs in the queue have in common: the slots of all servers, and a pause. */
export async function readQueueState(db: Database, { maxRuns, maxRunners, scope }: SlotLimits): Promise<QueueState> {
  const { rows } = await db.execute<{
    running: number;
    active_runners: number;
    servers: number;
    reason: string | null;
    paused_at: string | null;
  }>(
    sql`select
      (select count(*)::int from runs where slot) as running,
      ${maxRunners === undefined ? sql`0` : countActiveRunners} as active_runners,
      (select count(*)::int from servers
        where seen_at > now() - make_interval(secs => ${serverGoneSeconds})) as servers,
      queue_pauses.reason, queue_pauses.paused_at
    from (values (1)) as one left join queue_pauses on true`,
  );
  const { running = 0, active_runners = 0, servers = 1, reason = null, paused_at = null } = rows[0] ?? {};
  const factor = scope === "all" ? 1 : Math.max(1, servers);
  return {
    slots: maxRuns * factor,
    runners: maxRunners === undefined ? null : maxRunners * factor,
    active_runners,
    running_turns: running,
    pause: paused_at === null ? null : { reason, paused_at: new Date(paused_at) },
  };
}
