import { setTimeout as sleep } from "node:timers/promises";
import { type BranchPush, type TaskState, WharfError } from "@wharf/contract";
import { and, eq, inArray, sql } from "drizzle-orm";
import type { Log, LogWriter } from "../../events/index.ts";
import { requestHolders } from "../../runners/index.ts";
import { type Executor, type ExpectedVersions, schema } from "../../store/index.ts";
import { type LockedTask, lockTask, moveTask } from "../../tasks/index.ts";
import { allowSecrets } from "../state/allowed-secrets.ts";
import { queueCommentPrompt } from "../state/comment-prompt.ts";
import { deleteBoard, deleteTask } from "../state/deletion.ts";
import type { RunRow } from "../state/lease.ts";
import { resumeAfterLimit } from "../state/provider-limit.ts";
import { appendPush } from "../state/report-push.ts";
import { type PushRequest, requestBranchPush } from "../state/request-push.ts";
import { findStartingTurn, hastenRun } from "../state/start-order.ts";
import { liveRunStatuses } from "../state/states.ts";
import { stopRun } from "../state/stop-run.ts";
import { closeTurn, getOpenTurn, type TurnRow, turnColumns } from "../state/transitions.ts";
import { lockLiveRun, type TurnPrompt, queueTurn, RunStoppingError } from "../state/turn-queue.ts";

const { permissions, pushes, runners, runs, tasks, turns } = schema;

/**
 * How long a prompt waits for a stopping run to end, including the last of its journal and its
 * push.
 */
const stoppingTimeoutMs = 20_000;
const stoppingPollIntervalMs = 100;

/** The versions of the task on which a command may act. */
interface Expectation {
  readonly expected?: ExpectedVersions;
}

interface StopOptions extends Expectation {
  readonly by: string;
  readonly reason?: string | undefined;
  readonly isForced?: boolean;
  /** The run to stop, and no later one; by default the task's live run. */
  readonly runId?: string;
}

/** A prompt of a person, which may also send the task's open comments. */
export interface PersonPrompt extends TurnPrompt {
  readonly sendsComments?: boolean;
}

/**
 * Commands that people issue for runs. Each is one transaction that stores the desired state; the
 * holder of the run's lease reads it and acts on it, in this process or another, now or after a
 * crash.
 */
export class RunCommands {
  readonly #log: Log;
  readonly #poke: (taskId?: string) => void;
  readonly #isAway: (runnerId: string) => boolean;

  /** `isAway` returns whether a running runner is unreachable at the moment. */
  constructor(log: Log, poke: (taskId?: string) => void, isAway: (runnerId: string) => boolean = () => false) {
    this.#log = log;
    this.#poke = poke;
    this.#isAway = isAway;
  }

  /** Waits for a stopping run to end: the prompt belongs to the next run. */
  prompt(taskId: string, prompt: PersonPrompt & Expectation): Promise<TurnRow> {
    return waitForStop(() => this.#queuePrompt(taskId, prompt));
  }

  async #queuePrompt(taskId: string, prompt: PersonPrompt & Expectation): Promise<TurnRow> {
    const turn = await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId, prompt.expected);
      const existingTurn = prompt.turn_id && (await getTurn(writer.tx, prompt.turn_id));
      if (existingTurn) {
        if (existingTurn.task_id !== taskId) throw new WharfError("turn_id_taken", { turn_id: existingTurn.id });
        return existingTurn;
      }
      if (task.limit_resumes > 0) await writer.tx.update(tasks).set({ limit_resumes: 0 }).where(eq(tasks.id, taskId));
      return prompt.sendsComments ? queueCommentPrompt(writer, task, prompt) : queueTurn(writer, task, prompt);
    });
    this.#poke(taskId);
    return turn;
  }

  /**
   * Starts a task as soon as it may start. A task that already works or waits for a slot gets no
   * further turn; what the person asks for applies to the waiting run.
   */
  async trigger(taskId: string, prompt: TurnPrompt, { isFirst }: { isFirst: boolean }): Promise<TurnRow> {
    const turn = await waitForStop(() =>
      this.#log.write(async (writer) => {
        const task = await lockTask(writer.tx, taskId);
        const openTurn = (await findStartingTurn(writer.tx, taskId)) ?? (await queueTurn(writer, task, prompt));
        await hastenRun(writer, task, { isFirst, by: prompt.by, ignores: prompt.ignoresDependencies === true });
        return openTurn;
      }),
    );
    this.#poke(taskId);
    return turn;
  }

  /**
   * Ends one turn and nothing else: a queued turn at once, a running one when its agent gets the
   * request.
   */
  async cancelTurn(taskId: string, turnId: string, { by: userId }: { by: string }): Promise<TurnRow> {
    const turn = await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId);
      const existingTurn = await getTurn(writer.tx, turnId);
      if (existingTurn?.task_id !== taskId) throw new WharfError("turn_not_found", { id: turnId });
      if (existingTurn.state === "QUEUED") await this.#withdrawTurn(writer, task, existingTurn, userId);
      else if (existingTurn.state === "RUNNING") await requestCancellation(writer, existingTurn, userId);
      else throw new WharfError("turn_ended", { turn_id: turnId, state: existingTurn.state });
      return (await getTurn(writer.tx, turnId)) ?? existingTurn;
    });
    this.#poke(taskId);
    return turn;
  }

  /** When the last queued turn is withdrawn, the run has no reason left to wait or start. */
  async #withdrawTurn(writer: LogWriter, task: LockedTask, turn: TurnRow, userId: string): Promise<void> {
    await closeTurn(writer, turn, { status: "cancelled", reason: withdrawnReason });
    if (await getOpenTurn(writer.tx, task.id)) return;
    const run = await lockLiveRun(writer.tx, task.id);
    if (run?.status === "PENDING" || run?.status === "STARTING")
      await stopRun(writer, run, { status: "STOPPED", reason: withdrawnReason });
    else if (run)
      await writer.tx
        .update(runs)
        .set({ queued_at: null, slot: false, updated_at: new Date() })
        .where(eq(runs.id, run.id));
    if (task.state === "IN_PROGRESS") await moveTask(writer, task, "REVIEW", { by: userId, reason: withdrawnReason });
  }

  /** Sets the mode or model of the task's agent, for the current run and every later one. */
  async setAgentChoice(
    taskId: string,
    choice: AgentChoice,
    { by: userId, expected }: { by: string } & Expectation,
  ): Promise<void> {
    await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId, expected);
      const run = await lockLiveRun(writer.tx, taskId);
      const updatedAt = new Date();
      await writer.tx
        .update(tasks)
        .set({ ...choice, updated_at: updatedAt })
        .where(eq(tasks.id, taskId));
      // `RunSync` looks at the choices only after the run row changes.
      if (run) await writer.tx.update(runs).set({ updated_at: updatedAt }).where(eq(runs.id, run.id));
      const message = formatChoice(choice);
      await writer.append(task.id, [
        { ...(run && { run_id: run.id }), created_by: userId, data: { kind: "notice", message } },
      ]);
    });
    this.#poke(taskId);
  }

  /**
   * Stops the current run, keeps its runner's disk, and moves the task to the state the caller
   * gives. A forced stop does not wait for the agent.
   */
  async stop(taskId: string, state: TaskState, options: StopOptions): Promise<void> {
    await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId, options.expected);
      const run = await lockLiveRun(writer.tx, taskId);
      if (options.runId !== undefined && run?.id !== options.runId) throw new WharfError("no_run", { task_id: taskId });
      if (run)
        await stopRun(writer, run, {
          status: state === "COMPLETED" ? "COMPLETED" : "STOPPED",
          reason: options.reason ?? `the task is ${state.toLowerCase()}`,
          isForced: options.isForced ?? false,
        });
      else if (state === "REVIEW" && task.resume_at === null) throw new WharfError("no_run", { task_id: taskId });
      await moveTask(writer, task, state, options);
      if (state === "COMPLETED") await reportOpenPush(writer, task);
    });
    this.#poke(taskId);
  }

  /**
   * Pauses the agent during its open turn; idempotent. The turn's end or a stop also ends the
   * pause.
   */
  async pause(taskId: string, options: { by: string }): Promise<void> {
    await this.#log.write(async (writer) => {
      const run = await this.#getRunInTurn(writer, taskId);
      if (run.status === "RUNNING" && run.runner_id && this.#isAway(run.runner_id))
        throw new WharfError("unsupported", {
          what: "Pausing an agent while the server has no connection to its runner",
        });
      await setDesired(writer, run, { desired: "PAUSE", message: "Pausing the agent.", by: options.by });
    });
    this.#poke(taskId);
  }

  /** Resumes a paused agent, or a task that waits for the limit of a model's provider. */
  async resume(taskId: string, options: { by: string }): Promise<void> {
    await waitForStop(() => this.#resume(taskId, options));
    this.#poke(taskId);
  }

  #resume(taskId: string, options: { by: string }): Promise<void> {
    return this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId);
      if (task.resume_at !== null) {
        await resumeAfterLimit(writer, task, options.by);
        return;
      }
      const run = await this.#getRunInTurn(writer, taskId);
      await setDesired(writer, run, { desired: "RUN", message: "Resuming the agent.", by: options.by });
    });
  }

  async #getRunInTurn(writer: LogWriter, taskId: string): Promise<RunRow> {
    await lockTask(writer.tx, taskId);
    const run = await lockLiveRun(writer.tx, taskId);
    if (!run || run.desired === "STOP") throw new WharfError("no_run", { task_id: taskId });
    if (!(await getOpenTurn(writer.tx, taskId))) throw new WharfError("no_turn", { task_id: taskId });
    return run;
  }

  /** Ends the run, discards the runner with its disk, and has the task removed with its log. */
  async delete(taskId: string, expected?: ExpectedVersions): Promise<void> {
    await deleteTask(this.#log, taskId, expected);
    this.#poke();
  }

  /**
   * Deletes a board with its tasks and discards their runners. Board and tasks become invisible at
   * once.
   */
  async deleteBoard(boardId: string, expected?: ExpectedVersions): Promise<void> {
    await deleteBoard(this.#log, boardId, expected);
    this.#poke();
  }

  /** Starts the stopped runner of a run between turns, for a user who wants to access it. */
  async startRunner(runnerId: string): Promise<void> {
    const isStarting = await this.#log.write(async ({ tx }) => {
      const isLive = sql`exists (
        select 1 from ${runs} where ${runs.runner_id} = ${runners.id} and ${runs.status} in ('RUNNING', 'PAUSED')
      )`;
      const rows = await tx
        .update(runners)
        .set({ desired: "READY", updated_at: new Date() })
        .where(and(eq(runners.id, runnerId), eq(runners.desired, "STOPPED"), isLive))
        .returning({ id: runners.id });
      await tx.update(runs).set({ idle_since: new Date() }).where(eq(runs.runner_id, runnerId));
      await requestHolders(tx, [runnerId]);
      return rows.length > 0;
    });
    if (isStarting) this.#poke();
  }

  /**
   * Delivers the task's newest commit again, starting at the runner, after its delivery failed for
   * good. Texts that look like secrets can be allowed in its pushes from now on.
   */
  async retryPush(
    taskId: string,
    { by: userId, allowedSecrets = [] }: { by: string; allowedSecrets?: readonly string[] | undefined },
  ): Promise<void> {
    await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId);
      const [push] = await writer.tx.select().from(pushes).where(eq(pushes.task_id, taskId));
      if (!push) throw new WharfError("no_commit", { task_id: taskId });
      if (push.state !== "FAILED")
        throw new WharfError("nothing_to_push", { task_id: taskId, isPushed: push.state === "PUSHED" });
      await allowSecrets(writer, { taskId, fingerprints: allowedSecrets, by: userId });
      const change = { state: "WANTED" as const, attempts: 0, next_attempt_at: new Date(), reported: true };
      await writer.tx.update(pushes).set(change).where(eq(pushes.task_id, taskId));
      if (push.runner_id) await requestHolders(writer.tx, [push.runner_id]);
      await appendPush(writer, { push, task, status: "pending", message: "Retrying the push.", by: userId });
    });
    this.#poke(taskId);
  }

  /** Delivers a commit of the task's branch that a person made in its workspace. */
  async requestPush(taskId: string, request: PushRequest): Promise<BranchPush> {
    const push = await this.#log.write(async (writer) =>
      requestBranchPush(writer, await lockTask(writer.tx, taskId), request),
    );
    this.#poke(taskId);
    return push;
  }

  /** Stops every live run, for a server shutdown that includes its runners. */
  async stopAllRuns(reason: string): Promise<void> {
    const live = await this.#log.write(({ tx }) =>
      tx
        .select({ task_id: runs.task_id })
        .from(runs)
        .where(inArray(runs.status, [...liveRunStatuses])),
    );
    for (const { task_id } of live) {
      await this.#log.write(async (writer) => {
        const task = await lockTask(writer.tx, task_id);
        const run = await lockLiveRun(writer.tx, task_id);
        if (run) await stopRun(writer, run, { status: "STOPPED", reason });
        if (task.state === "IN_PROGRESS" || task.state === "BLOCKED")
          await moveTask(writer, task, "REVIEW", { reason });
      });
    }
    this.#poke();
  }

  async answerPermission(
    taskId: string,
    answer: { permission_id: string; option_id?: string | undefined; by: string },
  ): Promise<void> {
    await this.#log.write(async ({ tx }) => {
      await lockTask(tx, taskId);
      const ownRequest = and(eq(permissions.task_id, taskId), eq(permissions.permission_id, answer.permission_id));
      const [request] = await tx.select().from(permissions).where(ownRequest);
      if (!request) throw new WharfError("permission_request_not_found", { id: answer.permission_id });
      if (request.state !== "ASKED")
        throw new WharfError("permission_request_closed", {
          state: request.state === "ANSWERED" ? "answered" : "closed",
        });
      await tx
        .update(permissions)
        .set({
          state: "ANSWERED",
          option_id: answer.option_id ?? null,
          answered_by: answer.by,
          updated_at: new Date(),
        })
        .where(ownRequest);
    });
    this.#poke(taskId);
  }
}

/** Notifies the user who accepts a task that its branch is not delivered yet. */
async function reportOpenPush(writer: LogWriter, task: LockedTask): Promise<void> {
  const isOpen = inArray(pushes.state, ["WANTED", "MIRRORED"]);
  const [push] = await writer.tx
    .update(pushes)
    .set({ reported: true })
    .where(and(eq(pushes.task_id, task.id), isOpen, eq(pushes.reported, false)))
    .returning();
  const message = "The task is accepted. Its branch is still being pushed; the log will report the result.";
  if (push) await appendPush(writer, { push, task, status: "pending", message });
}

async function waitForStop<T>(command: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + stoppingTimeoutMs;
  for (;;) {
    try {
      return await command();
    } catch (error) {
      if (!(error instanceof RunStoppingError) || Date.now() > deadline) throw error;
      await sleep(stoppingPollIntervalMs);
    }
  }
}

const withdrawnReason = "it was cancelled before it started";

/**
 * Stores the request, which `RunSync` forwards to the daemon. A pause would keep the turn from
 * ending.
 */
async function requestCancellation(writer: LogWriter, turn: TurnRow, userId: string): Promise<void> {
  if (turn.cancel_asked) return;
  await writer.tx.update(turns).set({ cancel_asked: true, updated_at: new Date() }).where(eq(turns.id, turn.id));
  const run = await lockLiveRun(writer.tx, turn.task_id);
  if (run?.desired === "PAUSE")
    await writer.tx.update(runs).set({ desired: "RUN", updated_at: new Date() }).where(eq(runs.id, run.id));
  const message = "Asking the agent to end its turn.";
  await writer.append(turn.task_id, [{ run_id: turn.run_id, created_by: userId, data: { kind: "notice", message } }]);
}

/** A user's choice among the modes or models of an agent; null clears the choice. */
export type AgentChoice = { readonly agent_mode: string | null } | { readonly agent_model: string | null };

function formatChoice(choice: AgentChoice): string {
  const [what, id] = "agent_mode" in choice ? ["mode", choice.agent_mode] : ["model", choice.agent_model];
  return id === null ? `The agent chooses its own ${what} again.` : `The agent's ${what} is set to '${id}'.`;
}

async function getTurn(tx: Executor, id: string): Promise<TurnRow | undefined> {
  const [turn] = await tx.select(turnColumns).from(turns).where(eq(turns.id, id));
  return turn;
}

/** Stores whether a run should work or pause, and logs a notice if that changes. */
async function setDesired(
  writer: LogWriter,
  run: RunRow,
  { desired, message, by: userId }: { desired: "RUN" | "PAUSE"; message: string; by: string },
): Promise<void> {
  if (run.desired === desired) return;
  await writer.tx.update(runs).set({ desired, updated_at: new Date() }).where(eq(runs.id, run.id));
  await writer.append(run.task_id, [{ run_id: run.id, created_by: userId, data: { kind: "notice", message } }]);
}
