import { type RunStatus, type TurnState, WharfError } from "@wharf/contract";
import { and, asc, eq, getTableColumns, sql } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import type { RunRow } from "./lease.ts";
import { openTurnStates, runTransitions, turnTransitions } from "./states.ts";

const { runs, turns } = schema;
export type TurnRow = Omit<typeof turns.$inferSelect, "attachments">;
/**
 * All columns of a turn except its attached files: they may be large, and only the daemon needs
 * them.
 */
const { attachments: _, ...turnColumns } = getTableColumns(turns);
export { turnColumns };
/** A turn without its prompt, for callers that need only its state. */
const { prompt: __, ...headColumns } = turnColumns;
type TurnSummary = Omit<TurnRow, "prompt">;

/**
 * Takes one step of a run's state machine and appends it to the task's log. The caller holds the
 * lease, or the run has no holder.
 */
export async function setRunStatus(
  writer: LogWriter,
  run: RunRow,
  status: RunStatus,
  change: Partial<typeof runs.$inferInsert> = {},
): Promise<void> {
  if (!runTransitions[run.status].includes(status))
    throw new WharfError("run_transition_invalid", { run_id: run.id, from: run.status, to: status });
  const timestamp = new Date();
  const isFinal = runTransitions[status].length === 0;
  await writer.tx
    .update(runs)
    .set({
      ...change,
      status: status,
      updated_at: timestamp,
      ...(isFinal && {
        stopped_at: timestamp,
        slot: false,
        queued_at: null,
        phase: null,
        deadline: null,
      }),
    })
    .where(eq(runs.id, run.id));
  const reason = change.error_message ?? change.stop_reason;
  await writer.append(run.task_id, [
    { run_id: run.id, data: { kind: "state", entity: "run", from: run.status, to: status, ...(reason && { reason }) } },
  ]);
}

type TurnReader = Pick<LogWriter["tx"], "select">;

/**
 * Uses literals: with a parameter, the planner would not use the index that covers only open turns.
 */
const isOpen = sql`${turns.state} in (${sql.raw(openTurnStates.map((state) => `'${state}'`).join(", "))})`;
const queueOrder = [sql`${turns.state} = 'QUEUED'`, asc(turns.place), asc(turns.created_at)];

/** Returns the open turns: the running one, if any, then the queued ones in order. */
export function getOpenTurns(tx: TurnReader, taskId: string): Promise<TurnSummary[]> {
  return tx
    .select(headColumns)
    .from(turns)
    .where(and(eq(turns.task_id, taskId), isOpen))
    .orderBy(...queueOrder);
}

/** Returns the running turn, or otherwise the next one. */
export async function getOpenTurn(tx: TurnReader, taskId: string): Promise<TurnRow | undefined> {
  const [turn] = await tx
    .select(turnColumns)
    .from(turns)
    .where(and(eq(turns.task_id, taskId), isOpen))
    .orderBy(...queueOrder)
    .limit(1);
  return turn;
}

/**
 * Ends a turn that the agent never received, or will not report on any more, and logs the reason.
 */
export async function closeTurn(
  writer: LogWriter,
  turn: TurnSummary,
  { status, reason }: { status: "cancelled" | "interrupted"; reason: string },
): Promise<void> {
  if (!(await setTurnState(writer, turn, status === "cancelled" ? "CANCELLED" : "INTERRUPTED", reason))) return;
  await writer.append(turn.task_id, [
    { run_id: turn.run_id, data: { kind: "turn", turn_id: turn.id, status, reason } },
  ]);
}

/** The newest commit of a turn's task: the last one that was reported, or the one cloned first. */
const newestCommit = sql<string | null>`coalesce(
  (select sha from pushes where pushes.task_id = turns.task_id),
  (select base_commit_sha from tasks where tasks.id = turns.task_id))`;

/**
 * Takes one step of a turn's state machine; returns false if the turn's state does not allow it.
 */
export async function setTurnState(
  writer: LogWriter,
  turn: Pick<TurnRow, "id" | "state">,
  state: TurnState,
  stopReason?: string,
): Promise<boolean> {
  if (!turnTransitions[turn.state].includes(state)) return false;
  const timestamp = new Date();
  // A turn's files are not needed after its end, and may be large.
  const change =
    state === "RUNNING"
      ? { started_at: timestamp, base_commit_sha: newestCommit }
      : { ended_at: timestamp, attachments: [] };
  await writer.tx
    .update(turns)
    .set({ state: state, ...change, ...(stopReason && { stop_reason: stopReason }), updated_at: timestamp })
    .where(eq(turns.id, turn.id));
  return true;
}
