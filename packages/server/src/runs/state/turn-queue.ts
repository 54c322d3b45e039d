import { randomUUID } from "node:crypto";
import { type Attachments, getDecodedBytes, WharfError } from "@wharf/contract";
import { and, eq, inArray, sql } from "drizzle-orm";
import { findAgentType } from "../../agent-types/index.ts";
import type { LogWriter } from "../../events/index.ts";
import { getPreviousRunnerId } from "../../runners/index.ts";
import { type Executor, schema } from "../../store/index.ts";
import { type LockedTask, moveTask } from "../../tasks/index.ts";
import type { RunRow } from "./lease.ts";
import { getRunSize } from "./run-size.ts";
import { liveRunStatuses } from "./states.ts";
import { getOpenTurn, getOpenTurns, type TurnRow, turnColumns } from "./transitions.ts";

const { boards, runs, tasks, turns } = schema;

/** Limit of queued prompts per task: more are a mistake, and each may carry 10 MB of files. */
const maxQueuedTurns = 20;

export interface TurnPrompt {
  readonly text: string;
  readonly by: string;
  /** The idempotency key; the same key again returns the existing turn. */
  readonly turn_id?: string | undefined;
  /** Agent type of a new run; ignored while a run is live. */
  readonly agent_type: string;
  readonly priority?: number | undefined;
  readonly attachments?: Attachments | undefined;
  /** Whether a new run starts although its task depends on others that are not COMPLETED. */
  readonly ignoresDependencies?: boolean;
}

/** The current run is stopping: a prompt is for the next one. */
export class RunStoppingError extends WharfError<"run_stopping"> {
  constructor() {
    super("run_stopping", {});
  }
}

/** Returns the task's live run, locked. */
export async function lockLiveRun(tx: Executor, taskId: string): Promise<RunRow | undefined> {
  const [run] = await tx
    .select()
    .from(runs)
    .where(and(eq(runs.task_id, taskId), inArray(runs.status, [...liveRunStatuses])))
    .for("update");
  return run;
}

/**
 * Queues a turn in the live run or in a new one. The turn goes behind the queued ones, unless an
 * interrupted turn holds the queue: then it is the awaited decision and goes first. The caller
 * holds the task's lock.
 */
export async function queueTurn(
  writer: LogWriter,
  task: LockedTask,
  prompt: TurnPrompt,
  { isLimited = true }: { isLimited?: boolean } = {},
): Promise<TurnRow> {
  const { tx } = writer;
  if (task.archived_at !== null) throw new WharfError("task_archived", { task_id: task.id });
  if (!task.repository_url && task.expires_at === null)
    throw new WharfError("task_needs_repository", { task_id: task.id });
  const live = await lockLiveRun(tx, task.id);
  if (live?.desired === "STOP") throw new RunStoppingError();
  const open = await getOpenTurns(tx, task.id);
  const queuedTurns = open.filter(({ state }) => state === "QUEUED");
  if (isLimited && queuedTurns.length >= maxQueuedTurns)
    throw new WharfError("queue_full", { task_id: task.id, limit: maxQueuedTurns });
  const isAtWork = open.length > queuedTurns.length;
  const isIdle = !isAtWork && live !== undefined && !live.slot && live.queued_at === null;
  const places = queuedTurns.map(({ place }) => place);
  const id = prompt.turn_id ?? randomUUID();
  const runId = live?.id ?? (await createRun(writer, task, prompt));
  if (isIdle) await queueForSlot(tx, { run_id: live.id, user_id: prompt.by });
  const origin = { run_id: runId, created_by: prompt.by };
  const [, message] = await writer.append(task.id, [
    { ...origin, data: { kind: "turn", turn_id: id, status: "queued" }, type: "status" },
    { ...origin, data: { kind: "message", role: "user", text: prompt.text } },
    ...(prompt.attachments?.length ? [{ ...origin, data: toAttachmentNotice(prompt.attachments) }] : []),
  ]);
  const values = {
    id,
    task_id: task.id,
    run_id: runId,
    place: isIdle ? Math.min(1, ...places) - 1 : Math.max(-1, ...places) + 1,
    prompt: prompt.text,
    prompt_seq: message?.seq ?? null,
    created_by: prompt.by,
    ...(prompt.attachments && { attachments: prompt.attachments }),
  };
  const [turn] = await tx.insert(turns).values(values).returning(turnColumns);
  // A queued prompt does not answer a question of the running turn.
  if (!isAtWork) await moveTask(writer, task, "IN_PROGRESS", { by: prompt.by });
  return turn!;
}

/**
 * After a turn's normal end, queues the run for a slot for its next turn. Returns whether there is
 * one.
 */
export async function queueNextTurn(tx: Executor, ended: TurnRow): Promise<boolean> {
  const next = await getOpenTurn(tx, ended.task_id);
  if (next?.state !== "QUEUED") return false;
  await queueForSlot(tx, { run_id: ended.run_id, user_id: next.created_by });
  return true;
}

async function queueForSlot(
  tx: Executor,
  { run_id, user_id }: { run_id: string; user_id: string | null },
): Promise<void> {
  const timestamp = new Date();
  await tx.update(runs).set({ user_id, queued_at: timestamp, updated_at: timestamp }).where(eq(runs.id, run_id));
}

const toAttachmentNotice = (files: Attachments) => ({
  kind: "notice" as const,
  message: `Attachments: ${files.map(({ name, data }) => `${name} (${getDecodedBytes(data)} bytes)`).join(", ")}.`,
});

/** Dependencies hold back the first prompt of a task, and no later one. */
const waitsForTasks = (taskId: string) => sql`
  exists (select from task_dependencies where task_dependencies.task_id = ${taskId})
    and not exists (select from runs where runs.task_id = ${taskId} and runs.prompted)`;

async function createRun({ tx, append }: LogWriter, task: LockedTask, prompt: TurnPrompt): Promise<string> {
  const id = randomUUID();
  const priority = prompt.priority ?? task.priority;
  const runnerId = await getPreviousRunnerId(tx, task.id);
  const [board] = await tx.select().from(boards).where(eq(boards.id, task.board_id));
  const type = board && (await findAgentType(tx, board, prompt.agent_type));
  await tx.insert(runs).values({
    id,
    task_id: task.id,
    board_id: task.board_id,
    user_id: prompt.by,
    agent_type: prompt.agent_type,
    ...getRunSize(task.tier, type?.default_resources),
    priority,
    log_start: task.log_bytes,
    queued_at: new Date(),
    waits_for_tasks: prompt.ignoresDependencies === true ? false : waitsForTasks(task.id),
    ...(runnerId && { runner_id: runnerId }),
  });
  await tx
    .update(tasks)
    .set({ assigned_agent_id: id, agent_type: prompt.agent_type, priority, updated_at: new Date() })
    .where(eq(tasks.id, task.id));
  await append(task.id, [{ run_id: id, data: { kind: "state", entity: "run", to: "PENDING" } }]);
  return id;
}
