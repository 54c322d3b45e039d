import { type EventDataByKind, type JournalRecord, WharfError } from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import type { NewEvent } from "../../events/index.ts";
import { type Executor, schema } from "../../store/index.ts";
import type { ModelFaults } from "../shared/deps.ts";
import { findLimitedRequest, type LoggedTurn, wasAnswered } from "./logged-requests.ts";

const { turns } = schema;
const judgedColumns = {
  id: turns.id,
  run_id: turns.run_id,
  task_id: turns.task_id,
  prompt_seq: turns.prompt_seq,
  started_at: turns.started_at,
};

interface TurnVerdict {
  readonly record: JournalRecord;
  /** Events to log before the record. */
  readonly precedingEvents: readonly NewEvent[];
}

/** Why no model answered in a turn. */
interface ModelFailure {
  readonly message: string;
  readonly next: string;
  readonly reset_at?: string;
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
    .select(judgedColumns)
    .from(turns)
    .where(and(eq(turns.id, data.turn_id), eq(turns.run_id, context.run_id), eq(turns.state, "RUNNING")));
  const fault = turn?.started_at && (await findFailure(tx, context.faults, { ...turn, started_at: turn.started_at }));
  if (!fault || (await wasAnswered(tx, turn))) return { record, precedingEvents: [] };
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

/** After a restart, and on another server, only the log knows of a provider's limit. */
async function findFailure(
  tx: Executor,
  faults: ModelFaults,
  turn: LoggedTurn & { readonly started_at: Date },
): Promise<ModelFailure | undefined> {
  if (faults.hasAsked(turn.run_id)) return faults.getFaultSince(turn.run_id, turn.started_at);
  const limited = await findLimitedRequest(tx, turn);
  return (
    limited && {
      message: `The model's server returned ${limited.status}.`,
      next: "Wait and prompt the task again, or check the quota and the credit of the provider's account.",
      reset_at: limited.reset_at,
    }
  );
}
