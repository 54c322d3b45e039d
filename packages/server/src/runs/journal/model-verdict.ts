import { type EventDataByKind, type JournalRecord, WharfError } from "@wharf/contract";
import { and, desc, eq, gt, sql } from "drizzle-orm";
import type { NewEvent } from "../../events/index.ts";
import { type Executor, schema } from "../../store/index.ts";
import type { ModelFaults } from "../shared/deps.ts";

const { events, turns } = schema;

interface TurnVerdict {
  readonly record: JournalRecord;
  /** Events to log before the record. */
  readonly precedingEvents: readonly NewEvent[];
}

/**
 * Some agents end their turn normally though no model ever answered them. Such turns end with an
 * error instead, whose reason is the last fault of the model's server.
 */
export async function getTurnVerdict(
  tx: Executor,
  context: { run_id: string; task_id: string; faults: ModelFaults },
  record: JournalRecord,
): Promise<TurnVerdict> {
  const { data } = record;
  if (data.kind !== "turn" || !isGoodEnd(data)) return { record, precedingEvents: [] };
  const [turn] = await tx
    .select({ id: turns.id, started_at: turns.started_at, prompt_seq: turns.prompt_seq })
    .from(turns)
    .where(and(eq(turns.id, data.turn_id), eq(turns.run_id, context.run_id), eq(turns.state, "RUNNING")));
  const fault = turn?.started_at && context.faults.getFaultSince(context.run_id, turn.started_at);
  if (!fault || (await wasAnswered(tx, context, turn))) return { record, precedingEvents: [] };
  const failure = new WharfError("agent_model_failed", { reason: fault.message, next: fault.next });
  const { code, message, next } = failure;
  const { reset_at } = fault;
  return {
    record: { ...record, data: { ...data, stop_reason: "error", reason: message } },
    precedingEvents: [
      {
        run_id: context.run_id,
        data: { kind: "failure", code, message, next, ...(reset_at !== undefined && { reset_at }) },
      },
    ],
  };
}

const isGoodEnd = ({ status, stop_reason = "end_turn" }: EventDataByKind<"turn">): boolean =>
  status === "ended" && stop_reason === "end_turn";

interface JudgedTurn {
  readonly id: string;
  readonly prompt_seq: number | null;
}

/**
 * Reads from the log whether a model answered in the turn: the run's link may have been at another
 * server, or at this one before a restart.
 */
async function wasAnswered(tx: Executor, at: { run_id: string; task_id: string }, turn: JudgedTurn): Promise<boolean> {
  const rows = await tx
    .select({ seq: events.seq })
    .from(events)
    .where(
      and(
        eq(events.task_id, at.task_id),
        gt(events.seq, await findBeginning(tx, at.task_id, turn)),
        eq(events.run_id, at.run_id),
        eq(events.kind, "usage"),
        sql`${events.data} ->> 'source' = 'gateway'`,
        sql`${events.data} -> 'raw' ->> 'answered' = 'true'`,
      ),
    )
    .limit(1);
  return rows.length > 0;
}

/**
 * Returns the sequence in the log after which the turn began: that of its prompt, or of the end of
 * the turn it waited for.
 */
async function findBeginning(tx: Executor, taskId: string, { id, prompt_seq }: JudgedTurn): Promise<number> {
  const isEnd = sql`${events.data} ->> 'status' in ('ended', 'cancelled', 'interrupted')`;
  const isOther = sql`${events.data} ->> 'turn_id' <> ${id}`;
  const [end] = await tx
    .select({ seq: events.seq })
    .from(events)
    .where(and(eq(events.task_id, taskId), sql`${events.kind} = 'turn'`, isEnd, isOther))
    .orderBy(desc(events.seq))
    .limit(1);
  return Math.max(prompt_seq ?? 0, end?.seq ?? 0);
}
