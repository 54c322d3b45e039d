import { eq } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { type Executor, schema } from "../../store/index.ts";
import type { LockedTask } from "../../tasks/index.ts";
import { getOpenTurn, type TurnRow } from "./transitions.ts";
import { lockLiveRun, RunStoppingError } from "./turn-queue.ts";

const { runs } = schema;

/**
 * Returns the task's open turn if its run works on it or waits for a slot. A turn that waits for a
 * person's decision does not start by itself.
 */
export async function findStartingTurn(tx: Executor, taskId: string): Promise<TurnRow | undefined> {
  const run = await lockLiveRun(tx, taskId);
  if (run?.desired === "STOP") throw new RunStoppingError();
  const turn = await getOpenTurn(tx, taskId);
  const starts = turn?.state === "RUNNING" || run?.slot === true || (run !== undefined && run.queued_at !== null);
  return starts ? turn : undefined;
}

interface StartRequest {
  /** Whether the run goes before the others of its organisation. */
  readonly isFirst: boolean;
  /** Whether the run starts although its task depends on others. */
  readonly ignores: boolean;
  readonly by: string;
}

/** Changes when the waiting run of a task starts; a run that has its slot stays unchanged. */
export async function hastenRun(writer: LogWriter, task: LockedTask, request: StartRequest): Promise<void> {
  const run = await lockLiveRun(writer.tx, task.id);
  if (!run || run.queued_at === null) return;
  const isFirst = request.isFirst && !run.is_first;
  const ignores = request.ignores && run.waits_for_tasks;
  if (!isFirst && !ignores) return;
  const change = { ...(isFirst && { is_first: true }), ...(ignores && { waits_for_tasks: false }) };
  await writer.tx
    .update(runs)
    .set({ ...change, updated_at: new Date() })
    .where(eq(runs.id, run.id));
  const messages = [
    ...(isFirst ? ["The task starts before all others of the organization."] : []),
    ...(ignores ? ["The task starts although it depends on others."] : []),
  ];
  await writer.append(
    task.id,
    messages.map((message) => ({ run_id: run.id, created_by: request.by, data: { kind: "notice", message } })),
  );
}
