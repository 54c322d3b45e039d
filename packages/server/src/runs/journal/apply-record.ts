import type { EventDataByKind, JournalRecord } from "@wharf/contract";
import { and, desc, eq, sql } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import { type LockedTask, lockTask, moveTask } from "../../tasks/index.ts";
import { hasOpenPermissions } from "../state/open-permissions.ts";
import { getResumeTime, waitForReset } from "../state/provider-limit.ts";
import { stopRun } from "../state/stop-run.ts";
import { setTurnState, type TurnRow, turnColumns } from "../state/transitions.ts";
import { queueNextTurn, queueTurn } from "../state/turn-queue.ts";
import { findLimitedRequest } from "./logged-requests.ts";
import { isModelFailure } from "./model-failures.ts";

const { events, permissions, pushes, runs, turns } = schema;

/**
 * The number of failures to search for the agent's own: a failed commit may follow it in the log.
 */
const maxFailures = 5;

interface RunIds {
  readonly task_id: string;
  readonly run_id: string;
}

/** Text of the next prompt when the task's policy is to continue after an interruption. */
const continuePrompt =
  "Your last turn was interrupted, and its progress is unknown. Check the state of the workspace, then continue with the request.";

/**
 * Applies a journal record to the rows: ends turns, opens and closes permissions, requests pushes.
 * This runs in the transaction that appends the record, so the rows never disagree with the log.
 */
export async function applyRecord(
  writer: LogWriter,
  { record, ...ids }: RunIds & { record: JournalRecord },
): Promise<void> {
  const { data } = record;
  if (data.kind === "turn") return applyTurn(writer, ids, data);
  if (data.kind === "permission") return applyPermission(writer, ids, data);
  if (data.kind === "commit") {
    await recordTurnCommit(writer, ids, data);
    return requestPush(writer, ids, data);
  }
  if (data.kind === "session")
    await writer.tx.update(runs).set({ session_id: data.session_id }).where(eq(runs.id, ids.run_id));
}

/** Ends a turn, as the journal reports it or as the server knows without the journal. */
export async function applyTurn(writer: LogWriter, ids: RunIds, data: EventDataByKind<"turn">): Promise<void> {
  if (data.status === "queued" || data.status === "started") return;
  const [turn] = await writer.tx
    .select(turnColumns)
    .from(turns)
    .where(and(eq(turns.id, data.turn_id), eq(turns.task_id, ids.task_id)));
  if (!turn) return;
  if (data.status === "interrupted")
    return interruptTurn(writer, turn, data.reason ?? "the runner stopped during the turn");
  const stopReason = data.stop_reason ?? (data.status === "cancelled" ? "cancelled" : "end_turn");
  if (!(await setTurnState(writer, turn, data.status === "cancelled" ? "CANCELLED" : "ENDED", stopReason))) return;
  await freeSlot(writer, turn.run_id);
  const [run] = await writer.tx.select().from(runs).where(eq(runs.id, turn.run_id));
  const task = await lockTask(writer.tx, ids.task_id);
  const failed = stopReason === "error" || stopReason === "timeout";
  const agentFailure = failed ? await getAgentFailure(writer, ids) : undefined;
  const reason = data.reason ?? agentFailure?.message;
  if (run && failed) {
    await stopRun(writer, run, {
      status: "FAILED",
      reason: reason ?? `the agent's turn ended with '${stopReason}'`,
      ...(agentFailure && { error_code: agentFailure.code }),
    });
  }
  if (task.state !== "IN_PROGRESS" && task.state !== "BLOCKED") return;
  const continues = run?.desired !== "STOP" && !failed && (await queueNextTurn(writer.tx, turn));
  // The agent gave up because a budget refused its requests: the task waits for the budget.
  if (task.blocking_budget_id !== null && !continues && data.status !== "cancelled") return;
  const resumeMs = agentFailure && (await findResumeTime(writer, { turn, task, failure: agentFailure }));
  if (resumeMs !== undefined) return waitForReset(writer, task, resumeMs);
  const nextState = failed ? "FAILED" : continues ? "IN_PROGRESS" : "REVIEW";
  await moveTask(writer, task, nextState, { reason: reason ?? stopReason });
}

/**
 * Finds the agent's last failure in this run. The log holds the cause of a failed turn before its
 * end.
 */
async function getAgentFailure({ tx }: LogWriter, ids: RunIds): Promise<EventDataByKind<"failure"> | undefined> {
  const isFailure = sql`${events.kind} = 'failure'`;
  const ownFailures = and(eq(events.task_id, ids.task_id), isFailure, eq(events.run_id, ids.run_id));
  const recentFailures = await tx
    .select({ data: events.data })
    .from(events)
    .where(ownFailures)
    .orderBy(desc(events.seq))
    .limit(maxFailures);
  return recentFailures.flatMap(({ data }) =>
    data.kind === "failure" && data.code.startsWith("agent_") ? [data] : [],
  )[0];
}

/**
 * Returns when to resume a task whose turn failed because of a provider's limit, in ms since the
 * epoch. After a restart, and on another server, only the log knows of the limit.
 */
async function findResumeTime(
  { tx }: LogWriter,
  { turn, task, failure }: { turn: TurnRow; task: LockedTask; failure: EventDataByKind<"failure"> },
): Promise<number | undefined> {
  if (turn.cancel_asked || !isModelFailure(failure.code)) return undefined;
  const resetAt = failure.reset_at ?? (await findLimitedRequest(tx, turn))?.reset_at;
  const resetMs = resetAt === undefined ? Number.NaN : Date.parse(resetAt);
  // A limit that was over before the turn began is not why it failed.
  if (turn.started_at && resetMs < turn.started_at.getTime()) return undefined;
  return getResumeTime({ resetMs, resumes: task.limit_resumes });
}

/**
 * The agent's progress in the turn is unknown, so Wharf never reruns the turn automatically. The
 * task waits for a person or, if its policy allows, continues with a new turn.
 */
export async function interruptTurn(writer: LogWriter, turn: TurnRow, reason: string): Promise<void> {
  if (!(await setTurnState(writer, turn, "INTERRUPTED", reason))) return;
  await freeSlot(writer, turn.run_id);
  const task = await lockTask(writer.tx, turn.task_id);
  if (task.state !== "IN_PROGRESS" && task.state !== "BLOCKED") return;
  await moveTask(writer, task, "BLOCKED", { reason: `the turn was interrupted: ${reason}` });
  if (task.interrupt_policy !== "continue" || !turn.created_by) return;
  const [run] = await writer.tx.select().from(runs).where(eq(runs.id, turn.run_id));
  if (run?.desired !== "RUN") return;
  const blocked = await lockTask(writer.tx, turn.task_id);
  const prompt = { text: continuePrompt, by: turn.created_by, agent_type: run.agent_type };
  // The limit does not apply: every journal record must remain storable.
  await queueTurn(writer, blocked, prompt, { isLimited: false });
}

/** After a turn the run returns its slot, and a pause no longer has anything to pause. */
const freeSlot = (writer: LogWriter, runId: string) =>
  writer.tx
    .update(runs)
    .set({
      slot: false,
      idle_since: sql`now()`,
      desired: sql`case when ${runs.desired} = 'PAUSE' then 'RUN' else ${runs.desired} end`,
    })
    .where(eq(runs.id, runId));

async function applyPermission(writer: LogWriter, ids: RunIds, data: EventDataByKind<"permission">): Promise<void> {
  const key = { run_id: ids.run_id, permission_id: data.permission_id };
  const task = await lockTask(writer.tx, ids.task_id);
  if (data.status === "asked") {
    await writer.tx
      .insert(permissions)
      .values({ ...key, task_id: ids.task_id })
      .onConflictDoNothing();
    if (task.state === "IN_PROGRESS")
      await moveTask(writer, task, "BLOCKED", { reason: `the agent asks: ${data.title ?? "may it continue?"}` });
    return;
  }
  await writer.tx
    .update(permissions)
    .set({ state: "CLOSED", updated_at: new Date() })
    .where(and(eq(permissions.run_id, key.run_id), eq(permissions.permission_id, key.permission_id)));
  const isBlocked = task.state === "BLOCKED" && task.blocking_budget_id === null && task.resume_at === null;
  if (isBlocked && !(await hasOpenPermissions(writer.tx, ids.run_id)))
    await moveTask(writer, task, "IN_PROGRESS", { reason: "the agent continues" });
}

/**
 * Records a commit as the work of the running turn, or of an interrupted one whose work was not
 * committed yet. Commits that a person makes between turns belong to no turn.
 */
async function recordTurnCommit(
  { tx }: LogWriter,
  { run_id }: RunIds,
  { sha, parent }: EventDataByKind<"commit">,
): Promise<void> {
  const lastTurn = sql`(
    select id from turns where run_id = ${run_id} and started_at is not null order by started_at desc limit 1)`;
  const isUncommitted = sql`(${turns.state} = 'RUNNING' or (${turns.state} = 'INTERRUPTED' and ${turns.commit_sha} is null))`;
  await tx
    .update(turns)
    .set({ commit_sha: sha, base_commit_sha: sql`coalesce(${turns.base_commit_sha}, ${parent ?? null})` })
    .where(and(sql`${turns.id} = ${lastTurn}`, isUncommitted));
}

/** Requests a push of the newest commit, which includes any older commit not yet delivered. */
async function requestPush(writer: LogWriter, ids: RunIds, data: EventDataByKind<"commit">): Promise<void> {
  const [run] = await writer.tx.select({ runner_id: runs.runner_id }).from(runs).where(eq(runs.id, ids.run_id));
  const pushValues = {
    run_id: ids.run_id,
    runner_id: run?.runner_id ?? null,
    sha: data.sha,
    reported: false,
    state: "WANTED" as const,
    attempts: 0,
    next_attempt_at: sql`now()`,
    error_message: null,
    updated_at: new Date(),
  };
  await writer.tx
    .insert(pushes)
    .values({ task_id: ids.task_id, ...pushValues })
    .onConflictDoUpdate({ target: pushes.task_id, set: pushValues });
}
