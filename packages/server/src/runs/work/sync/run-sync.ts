import { daemonApi, type EventKind, type JournalRecord, RemoteError } from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import type { Link, Tenure } from "../../../runners/index.ts";
import { maxTimerMs } from "../../../std/timer.ts";
import { isDatabaseUnavailable, schema } from "../../../store/index.ts";
import { lockTask } from "../../../tasks/index.ts";
import { applyTurn } from "../../journal/apply-record.ts";
import { Alarm } from "../../shared/alarm.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { endRun } from "../../shared/end-run.ts";
import type { RunWatch } from "../../shared/run-watch.ts";
import { type RunLease, lockLeasedRun, type RunRow, updateLeasedRun } from "../../state/lease.ts";
import { setTurnState, getOpenTurn, type TurnRow } from "../../state/transitions.ts";
import { getAuthor, getCoAuthor } from "../start/authorship.ts";
import { startAgent } from "../start/start-steps.ts";
import { getEarlierConversation } from "./conversation.ts";
import { ModeSync } from "./mode-sync.ts";
import { PauseSync } from "./pause-sync.ts";
import { stopIdleRunner } from "./stop-idle-runner.ts";

const { permissions, runs, tasks, turns } = schema;

/** Length of a commit message's first line, taken from the task's title or prompt. */
const maxSubjectLength = 72;
/**
 * How often the daemon is polled for the state of a running turn; its journal usually reports the
 * end long before.
 */
const pollIntervalMs = 15_000;
/** Delay after a failure that does not indicate the runner's health. */
const retryDelayMs = 500;
/** Time for a round beyond the start of an agent: the few calls that the daemon answers at once. */
const extraAnswerMs = 60_000;
/** How long a stopped run waits for its agent to end, and for the last of its journal. */
const endTimeoutMs = 1_500;

/** Records of these kinds need no action; they are only displayed. */
const displayOnlyKinds: ReadonlySet<EventKind> = new Set([
  "message",
  "thought",
  "tool_call",
  "plan",
  "output",
  "report",
  "notice",
  "fs_change",
]);

export interface RunSyncOptions {
  readonly tenure: Tenure;
  readonly runLease: RunLease;
  readonly link: Link;
  readonly watch: RunWatch;
  /** Sequence of the last journal record in the log. */
  readonly getStoredSeq: () => number;
  /** Whether only the run's task uses the runner, and no commit waits for delivery. */
  readonly isUnused: () => boolean;
  /** Called when the daemon has accepted a prompt. */
  readonly onDispatched: () => void;
}

/**
 * Brings the daemon to the desired state of a run: dispatches turns, cancels them, pauses and
 * resumes, sets mode and model, delivers answers, and finally ends the agent. It acts on each
 * wakeup, and checks a running turn periodically.
 */
export class RunSync {
  readonly alarm: Alarm;
  readonly #deps: RunDeps;
  readonly #options: RunSyncOptions;
  readonly #link: Link;
  readonly #runLease: RunLease;
  readonly #pauseSync: PauseSync;
  readonly #modeSync: ModeSync;
  /**
   * When to poll the daemon next for the running turn: at once on a new link, then periodically.
   */
  #nextCheckMs = 0;
  /** The turn that the daemon reported as ended at the last check. */
  #endedTurn: string | undefined;
  /** The turn whose cancellation was requested over this link. */
  #cancelledTurn: string | undefined;
  /** Whether the runner did not answer a forced stop, so that its processes may still run. */
  isUnresponsive = false;
  /** The open turn in the last round: when it changes or ends, its usage is measured. */
  #measuredTurn: string | undefined;

  constructor(deps: RunDeps, options: RunSyncOptions, alarm: Alarm) {
    this.#deps = deps;
    this.#options = options;
    this.#link = options.link;
    this.#runLease = options.runLease;
    this.alarm = alarm;
    this.#pauseSync = new PauseSync(deps, options.runLease, options.link);
    this.#modeSync = new ModeSync(deps, options.runLease, options.link);
  }

  /** Rereads the rows if a record may have changed them; text alone does not. */
  handleRecords(records: readonly JournalRecord[]): void {
    if (records.some(({ data }) => !displayOnlyKinds.has(data.kind))) this.#deps.wakeup.poke(this.#runLease.task_id);
  }

  /** Works until the run has ended or its runner is to be stopped. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const { run, runner, isLive } = this.#options.watch.view;
      if (!isLive || run.id !== this.#runLease.run_id || runner.desired !== "READY") return;
      if (run.desired === "STOP") return this.#endRun(run, signal);
      const { tenure, watch } = this.#options;
      const { stopSignal } = watch;
      const step = { name: "steer", maxMs: this.#deps.times.agentStart + extraAnswerMs, signals: [signal, stopSignal] };
      try {
        const waitMs = await tenure.runStep(step, (stepSignal) => this.#runRound(run, stepSignal));
        await this.alarm.wait(signal, waitMs);
      } catch (error) {
        signal.throwIfAborted();
        if (stopSignal.aborted) continue;
        if (!isDatabaseUnavailable(error)) throw error;
        await this.alarm.wait(signal, retryDelayMs);
      }
    }
  }

  /** Does all current work; returns the delay until the next round without a wakeup, in ms. */
  async #runRound(run: RunRow, signal: AbortSignal): Promise<number | undefined> {
    const isPaused = await this.#pauseSync.sync(run, signal);
    const turn = await getOpenTurn(this.#deps.db, this.#runLease.task_id);
    if (this.#measuredTurn !== undefined && this.#measuredTurn !== turn?.id) await this.#reportUsage();
    this.#measuredTurn = turn?.id;
    // All choices are applied before a turn is dispatched; otherwise the turn is not dispatched.
    if (!isPaused && turn?.state !== "QUEUED") await this.#modeSync.sync(run, signal);
    if (turn?.state === "QUEUED" && run.slot && !isPaused) await this.#dispatchTurn(turn, signal);
    if (turn?.state === "RUNNING" && turn.cancel_asked) await this.#cancelTurn(turn, signal);
    if (turn?.state === "RUNNING" && !isPaused) await this.#watchTurn(turn, signal);
    await this.#sendAnswers(signal);
    return turn ? pollIntervalMs : this.#stopIfIdle(run);
  }

  /** Stops the runner of a run without a turn after the idle time. */
  async #stopIfIdle(run: RunRow): Promise<number | undefined> {
    if (run.queued_at !== null || run.slot) return undefined;
    const idleMs = this.#deps.idleMs(this.#options.watch.view.runner.tier);
    const remainingMs = (run.idle_since?.getTime() ?? Date.now()) + idleMs - Date.now();
    if (remainingMs > 0) return Math.min(remainingMs, maxTimerMs);
    if (!this.#options.isUnused()) return Math.min(idleMs, busyPollIntervalMs);
    await stopIdleRunner(this.#deps, this.#runLease, idleMs);
    await this.#options.watch.refresh();
    return 0;
  }

  /**
   * Asks the agent to end, or kills it, and waits briefly for its last records. The rest of the
   * journal is read after the run's end.
   */
  async #endRun({ stop_forced: force }: RunRow, signal: AbortSignal): Promise<void> {
    const endSignal = AbortSignal.any([signal, AbortSignal.timeout(endTimeoutMs)]);
    try {
      await this.#link.client.call(
        daemonApi.stopAgent,
        { body: { reason: "the run is ending", force } },
        { signal: endSignal },
      );
      const { journal } = await this.#link.client.call(daemonApi.health, {}, { signal: endSignal });
      while (this.#options.getStoredSeq() < journal.last && !endSignal.aborted)
        await this.alarm.wait(endSignal, drainPollIntervalMs);
    } catch (error) {
      signal.throwIfAborted();
      this.isUnresponsive = force;
      this.#deps.logger.debug({ run_id: this.#runLease.run_id, error }, "a run's agent did not end in time");
    }
    await this.#reportUsage();
    await endRun(this.#deps, this.#runLease);
    await this.#options.watch.refresh();
  }

  /**
   * Dispatches a queued turn. The database stores the intent first: from then on the turn is never
   * dispatched without checking the daemon.
   */
  async #dispatchTurn(turn: TurnRow, signal: AbortSignal): Promise<void> {
    const context = await this.#prepareAgent(turn, signal);
    const isNext = await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#runLease.task_id);
      await lockLeasedRun(writer.tx, this.#runLease);
      // The turn may have been withdrawn, or another put ahead of it, since it was read.
      const next = await getOpenTurn(writer.tx, this.#runLease.task_id);
      if (next?.id !== turn.id || !(await setTurnState(writer, next, "RUNNING"))) return false;
      await updateLeasedRun(writer.tx, this.#runLease, { prompted: true });
      return true;
    });
    if (isNext) await this.#sendPrompt(turn, context, signal);
  }

  /**
   * Starts the agent if needed, and returns the earlier conversation if its session does not know
   * it.
   */
  async #prepareAgent(turn: TurnRow, signal: AbortSignal): Promise<string | undefined> {
    const { session_id, loaded, usualMode } = await startAgent(this.#deps, this.#runLease, {
      link: this.#link,
      signal,
    });
    await this.#modeSync.applyAll({ mode: usualMode }, signal);
    if (loaded || !session_id) return undefined;
    return getEarlierConversation(this.#deps.db, { task_id: turn.task_id, turn_id: turn.id, session_id });
  }

  /**
   * Checks that the daemon has the running turn, and sends the turn again if an earlier link broke
   * before it arrived.
   */
  async #watchTurn(turn: TurnRow, signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#nextCheckMs) return;
    this.#nextCheckMs = performance.now() + pollIntervalMs;
    const { state } = await this.#link.client.call(daemonApi.turn, { params: { turn_id: turn.id } }, { signal });
    if (state === "unknown") {
      if (turn.cancel_asked) return this.#closeTurn(turn, "cancelled", "it was cancelled before the agent received it");
      return this.#sendPrompt(turn, await this.#prepareAgent(turn, signal), signal);
    }
    const isOver = state === "ENDED" || state === "CANCELLED" || state === "INTERRUPTED";
    // If the daemon reports a turn as ended but its journal never does, the turn must not stay
    // open.
    if (isOver && this.#endedTurn === turn.id)
      await this.#closeTurn(
        turn,
        "interrupted",
        "the runner reports that the turn is over, but its journal does not say how it ended",
      );
    this.#endedTurn = isOver ? turn.id : undefined;
  }

  /** Stores the end of a turn that the journal will not report, as if it had. */
  async #closeTurn(
    { id, task_id, run_id }: TurnRow,
    status: "cancelled" | "interrupted",
    reason: string,
  ): Promise<void> {
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, task_id);
      await lockLeasedRun(writer.tx, this.#runLease);
      const turn = await getOpenTurn(writer.tx, task_id);
      if (turn?.state !== "RUNNING" || turn.id !== id) return;
      const data = { kind: "turn" as const, turn_id: id, status, reason };
      await writer.append(task_id, [{ run_id, data }]);
      await applyTurn(writer, { task_id, run_id }, data);
    });
  }

  /** The journal reports the end of a cancelled turn like any other. */
  async #cancelTurn(turn: TurnRow, signal: AbortSignal): Promise<void> {
    if (this.#cancelledTurn === turn.id) return;
    await this.#link.client.call(daemonApi.cancelTurn, { body: { turn_id: turn.id } }, { signal }).catch(ignoreSettled);
    this.#cancelledTurn = turn.id;
  }

  async #sendPrompt(turn: TurnRow, context: string | undefined, signal: AbortSignal): Promise<void> {
    const { times, db } = this.#deps;
    const [stored] = await db.select({ attachments: turns.attachments }).from(turns).where(eq(turns.id, turn.id));
    const [task] = await db
      .select({ title: tasks.title, created_by: tasks.created_by })
      .from(tasks)
      .where(eq(tasks.id, turn.task_id));
    const [run] = await db.select({ agent_type: runs.agent_type }).from(runs).where(eq(runs.id, this.#runLease.run_id));
    const author = await getAuthor(this.#deps, turn.created_by ?? task?.created_by ?? null);
    const subject = (task?.title ?? turn.prompt).split("\n")[0]?.slice(0, maxSubjectLength) ?? "Work on the task";
    const body = {
      run_id: this.#runLease.run_id,
      turn_id: turn.id,
      text: turn.prompt,
      ...(context !== undefined && { context }),
      ...(stored?.attachments.length && { attachments: stored.attachments }),
      idle_timeout_s: times.turnIdle / 1000,
      commit: { message: subject, ...author, co_author: getCoAuthor(run?.agent_type ?? "an agent") },
    };
    await this.#link.client.call(daemonApi.prompt, { body }, { signal });
    this.#options.onDispatched();
    this.#nextCheckMs = performance.now() + pollIntervalMs;
  }

  async #sendAnswers(signal: AbortSignal): Promise<void> {
    const ownPermissions = eq(permissions.run_id, this.#runLease.run_id);
    const answers = await this.#deps.db
      .select()
      .from(permissions)
      .where(and(ownPermissions, eq(permissions.state, "ANSWERED")));
    for (const { permission_id, option_id, answered_by } of answers) {
      const body = { by: answered_by ?? "a person", ...(option_id && { option_id }) };
      await this.#link.client
        .call(daemonApi.answerPermission, { params: { permission_id }, body }, { signal })
        .catch(ignoreSettled);
      await this.#deps.db
        .update(permissions)
        .set({ state: "CLOSED" })
        .where(and(ownPermissions, eq(permissions.permission_id, permission_id)));
    }
  }

  /** Counts and logs the runner's usage so far, as the backend measures it. */
  async #reportUsage(): Promise<void> {
    const usage = await this.#deps.meter.measure(this.#options.tenure).catch((error: unknown) => {
      this.#deps.logger.warn({ run_id: this.#runLease.run_id, error }, "could not measure a runner's usage");
    });
    if (!usage) return;
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#runLease.task_id);
      await lockLeasedRun(writer.tx, this.#runLease);
      const data = {
        kind: "usage" as const,
        source: "backend" as const,
        cpu_seconds: usage.cpuSeconds,
        memory_peak_bytes: usage.memoryPeakBytes,
      };
      await writer.append(this.#runLease.task_id, [{ run_id: this.#runLease.run_id, data }]);
    });
  }
}

const settledCodes: ReadonlySet<string> = new Set([
  "permission_request_closed",
  "permission_request_not_found",
  "runner_stopping",
]);

/**
 * An answer that the daemon no longer needs (timed out, cancelled, sent before a crash) counts as
 * delivered.
 */
function ignoreSettled(error: unknown): void {
  if (error instanceof RemoteError && settledCodes.has(error.code)) return;
  throw error;
}

const drainPollIntervalMs = 50;
/** Poll interval for a runner with an open terminal, which is not idle. */
const busyPollIntervalMs = 60_000;
