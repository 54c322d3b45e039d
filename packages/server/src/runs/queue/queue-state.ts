import { sql } from "drizzle-orm";
import type { Database } from "../../store/index.ts";

/** How many turns may run at the same time. */
export interface SlotLimits {
  readonly maxRuns: number;
  /** Whether the limit applies to each server or to all servers together. */
  readonly scope: "server" | "all";
}

export interface QueuePause {
  readonly reason: string | null;
  readonly paused_at: Date;
}

export interface QueueState {
  readonly slots: number;
  readonly running_turns: number;
  readonly pause: QueuePause | null;
}

/** A server that was not seen for this long gives no slots. */
const serverGoneSeconds = 60;

/** Reads what the runs in the queue have in common: the slots of all servers, and a pause. */
export async function readQueueState(db: Database, { maxRuns, scope }: SlotLimits): Promise<QueueState> {
  const { rows } = await db.execute<{
    running: number;
    servers: number;
    reason: string | null;
    paused_at: string | null;
  }>(
    sql`select
      (select count(*)::int from runs where slot) as running,
      (select count(*)::int from servers
        where seen_at > now() - make_interval(secs => ${serverGoneSeconds})) as servers,
      queue_pauses.reason, queue_pauses.paused_at
    from (values (1)) as one left join queue_pauses on true`,
  );
  const { running = 0, servers = 1, reason = null, paused_at = null } = rows[0] ?? {};
  return {
    slots: scope === "all" ? maxRuns : maxRuns * Math.max(1, servers),
    running_turns: running,
    pause: paused_at === null ? null : { reason, paused_at: new Date(paused_at) },
  };
}
