import { type EventDataOf, type JournalRecord, WharfError } from "@wharf/contract";
import { and, eq, gte, sql } from "drizzle-orm";
import type { NewEvent } from "../events/index.ts";
import { type Executor, schema } from "../store/index.ts";
import type { ModelFaults } from "./deps.ts";

const { events, turns } = schema;

interface Verdict {
  readonly record: JournalRecord;
  /** What the log says before the record. */
  readonly before: readonly NewEvent[];
}

/**
 * Some agents end their turn in good order though no model ever answered them. Such a turn ends with an error, whose
 * reason is the last fault of the model's server.
 */
export async function judgeTurnEnd(
  tx: Executor,
  at: { run_id: string; task_id: string; faults: ModelFaults },
  record: JournalRecord,
): Promise<Verdict> {
  const { data } = record;
  if (data.kind !== "turn" || !isGoodEnd(data)) return { record, before: [] };
  const [turn] = await tx
    .select({ started_at: turns.started_at })
    .from(turns)
    .where(and(eq(turns.id, data.turn_id), eq(turns.run_id, at.run_id), eq(turns.state, "RUNNING")));
  const since = turn?.started_at;
  const fault = since && at.faults.findFaultSince(at.run_id, since);
  if (!fault || (await wasAnswered(tx, at, since))) return { record, before: [] };
  const failure = new WharfError("agent_model_failed", { reason: fault.message, next: fault.next });
  const { code, message, next } = failure;
  return {
    record: { ...record, data: { ...data, stop_reason: "error", reason: message } },
    before: [{ run_id: at.run_id, data: { kind: "failure", code, message, next } }],
  };
}

const isGoodEnd = ({ status, stop_reason = "end_turn" }: EventDataOf<"turn">): boolean =>
  status === "ended" && stop_reason === "end_turn";

/** Another server may have had the run's wire, or this one before it was started again. */
async function wasAnswered(tx: Executor, at: { run_id: string; task_id: string }, since: Date): Promise<boolean> {
  const rows = await tx
    .select({ seq: events.seq })
    .from(events)
    .where(
      and(
        eq(events.task_id, at.task_id),
        eq(events.run_id, at.run_id),
        eq(events.kind, "usage"),
        gte(events.timestamp, since),
        sql`${events.data} -> 'raw' ->> 'answered' = 'true'`,
      ),
    )
    .limit(1);
  return rows.length > 0;
}
