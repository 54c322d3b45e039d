import { randomUUID } from "node:crypto";
import { type Attachments, bytesOf, WharfError } from "@wharf/contract";
import { and, eq, inArray } from "drizzle-orm";
import type { LogWriter } from "../events/index.ts";
import { type Executor, schema } from "../store/index.ts";
import { findLeftRunner } from "../runners/index.ts";
import { type LockedTask, moveTask } from "../tasks/index.ts";
import type { RunRow } from "./lease.ts";
import { liveRunStatuses } from "./states.ts";
import { openTurn, openTurns, type TurnRow, turnColumns } from "./transitions.ts";

const { runs, tasks, turns } = schema;

/** Prompts of one task that may wait behind its turn at work: more are a mistake, and each may carry 10 MB of files. */
const maxWaiting = 20;

export interface Prompt {
  readonly text: string;
  readonly by: string;
  /** The idempotency key; the same key again answers with the turn that is there. */
  readonly turn_id?: string | undefined;
  /** What a new run is started with; ignored while one is at work. */
  readonly agent_type: string;
  readonly priority?: number | undefined;
  readonly attachments?: Attachments | undefined;
}

/** The run at work is just coming to its end: a prompt is for the one after it. */
export class RunStopping extends WharfError<"conflict"> {
  constructor() {
    super("conflict", { what: "run", from: "stopping", to: "prompted" });
  }
}

/** The task's run that is not over, locked. */
export async function liveRun(tx: Executor, taskId: string): Promise<RunRow | undefined> {
  const [run] = await tx
    .select()
    .from(runs)
    .where(and(eq(runs.task_id, taskId), inArray(runs.status, [...liveRunStatuses])))
    .for("update");
  return run;
}

/**
 * Puts a turn in line: in the run at work, or in a new one. It goes behind what waits already, unless the line stands
 * still because a turn was interrupted: then it is the decision that was waited for, and comes first. The caller holds
 * the task's lock.
 */
export async function queueTurn(
  writer: LogWriter,
  task: LockedTask,
  prompt: Prompt,
  { isLimited = true }: { isLimited?: boolean } = {},
): Promise<TurnRow> {
  const { tx } = writer;
  if (!task.repository_url) throw new WharfError("task_needs_repository", { task_id: task.id });
  const live = await liveRun(tx, task.id);
  if (live?.desired === "STOP") throw new RunStopping();
  const open = await openTurns(tx, task.id);
  const waiting = open.filter(({ state }) => state === "QUEUED");
  if (isLimited && waiting.length >= maxWaiting)
    throw new WharfError("queue_full", { task_id: task.id, limit: maxWaiting });
  const isAtWork = open.length > waiting.length;
  const isIdle = !isAtWork && live !== undefined && !live.slot && live.queued_at === null;
  const places = waiting.map(({ place }) => place);
  const id = prompt.turn_id ?? randomUUID();
  const run_id = live?.id ?? (await newRun(writer, task, prompt));
  if (isIdle) await waitForSlot(tx, live.id);
  const by = { run_id, created_by: prompt.by };
  const [, message] = await writer.append(task.id, [
    { ...by, data: { kind: "turn", turn_id: id, status: "queued" }, type: "status" },
    { ...by, data: { kind: "message", role: "user", text: prompt.text } },
    ...(prompt.attachments?.length ? [{ ...by, data: namesOf(prompt.attachments) }] : []),
  ]);
  const values = {
    id,
    task_id: task.id,
    run_id,
    place: isIdle ? Math.min(1, ...places) - 1 : Math.max(-1, ...places) + 1,
    prompt: prompt.text,
    prompt_seq: message?.seq ?? null,
    created_by: prompt.by,
    ...(prompt.attachments && { attachments: prompt.attachments }),
  };
  const [turn] = await tx.insert(turns).values(values).returning(turnColumns);
  // A question of the turn at work is not answered by a prompt that waits behind it.
  if (!isAtWork) await moveTask(writer, task, "IN_PROGRESS", { by: prompt.by });
  return turn!;
}

/** A turn has ended as it should: the run waits for a slot for the next in line. Answers whether there is one. */
export async function beginNext(tx: Executor, ended: TurnRow): Promise<boolean> {
  const next = await openTurn(tx, ended.task_id);
  if (next?.state !== "QUEUED") return false;
  await waitForSlot(tx, ended.run_id);
  return true;
}

async function waitForSlot(tx: Executor, runId: string): Promise<void> {
  const now = new Date();
  await tx.update(runs).set({ queued_at: now, updated_at: now }).where(eq(runs.id, runId));
}

const namesOf = (files: Attachments) => ({
  kind: "notice" as const,
  message: `With it came ${files.map(({ name, data }) => `${name} (${bytesOf(data)} bytes)`).join(", ")}.`,
});

async function newRun({ tx, append }: LogWriter, task: LockedTask, prompt: Prompt): Promise<string> {
  const id = randomUUID();
  const priority = prompt.priority ?? task.priority;
  const runner_id = await findLeftRunner(tx, task.id);
  await tx.insert(runs).values({
    id,
    task_id: task.id,
    board_id: task.board_id,
    agent_type: prompt.agent_type,
    priority,
    log_start: task.log_bytes,
    queued_at: new Date(),
    ...(runner_id && { runner_id }),
  });
  await tx
    .update(tasks)
    .set({ assigned_agent_id: id, agent_type: prompt.agent_type, priority, updated_at: new Date() })
    .where(eq(tasks.id, task.id));
  await append(task.id, [{ run_id: id, data: { kind: "state", entity: "run", to: "PENDING" } }]);
  return id;
}
