import { daemonApi, type EventKind, type JournalRecord, RemoteError } from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import type { Link, Tenure } from "../../runners/index.ts";
import { isDatabaseAway, schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import { Alarm } from "../alarm.ts";
import { applyTurn } from "../apply.ts";
import { earlierConversation } from "../conversation.ts";
import type { RunDeps } from "../deps.ts";
import { endRun } from "../endings.ts";
import { type RunLease, lockLeased, type RunRow, updateLeased } from "../lease.ts";
import { author, startAgent } from "../start.ts";
import { moveTurn, openTurn, type TurnRow } from "../transitions.ts";
import { Chooser } from "./chooser.ts";
import { restIdle } from "./idle.ts";
import { Pauser } from "./pauser.ts";
import type { Watch } from "./watch.ts";

const { permissions, tasks, turns } = schema;

/** The first line of a commit message, from what was asked. */
const maxSubject = 72;
/** How often the daemon is asked what became of a running turn; its journal says so long before. */
const lookMs = 15_000;
/** After a failure that says nothing about the runner. */
const retryMs = 500;
/** What a round may take beyond the start of an agent: the few calls that the daemon answers at once. */
const answerMs = 60_000;
/** How long a stopped run waits for its agent to end, and for the last of its journal. */
const endMs = 1_500;

/** Records of these kinds call for nothing but to be shown. */
const passing: ReadonlySet<EventKind> = new Set([
  "message",
  "thought",
  "tool_call",
  "plan",
  "output",
  "report",
  "notice",
  "fs_change",
]);

export interface SteerOptions {
  readonly tenure: Tenure;
  readonly at: RunLease;
  readonly link: Link;
  readonly watch: Watch;
  /** How much of the journal is in the log. */
  readonly stored: () => number;
  /** Whether nobody but the run's task uses the runner, and nothing of it waits to be delivered. */
  readonly isUnused: () => boolean;
  /** Called when the daemon has accepted a prompt. */
  readonly onGiven: () => void;
}

/**
 * Brings the daemon to what is wanted of a run: gives turns, cancels them, pauses and resumes, chooses mode and model,
 * delivers answers, and at last ends the agent. It acts when it is woken, and looks after a running turn now and then.
 */
export class Steer {
  readonly alarm: Alarm;
  readonly #deps: RunDeps;
  readonly #options: SteerOptions;
  readonly #link: Link;
  readonly #at: RunLease;
  readonly #pauser: Pauser;
  readonly #chooser: Chooser;
  /** When the daemon is next asked what became of the running turn: at once on a new wire, then now and then. */
  #nextLook = 0;
  /** The turn that was over for the daemon at the last look. */
  #endedTurn: string | undefined;
  /** The turn that the daemon was asked to cancel over this wire. */
  #cancelled: string | undefined;
  /** The open turn at the last round: with another one, or none, its usage is measured. */
  #measuredTurn: string | undefined;

  constructor(deps: RunDeps, options: SteerOptions, alarm: Alarm) {
    this.#deps = deps;
    this.#options = options;
    this.#link = options.link;
    this.#at = options.at;
    this.alarm = alarm;
    this.#pauser = new Pauser(deps, options.at, options.link);
    this.#chooser = new Chooser(deps, options.at, options.link);
  }

  /** Has the rows looked at again where a record may have changed them; text alone does not. */
  notice(records: readonly JournalRecord[]): void {
    if (records.some(({ data }) => !passing.has(data.kind))) this.#deps.wakeup.poke(this.#at.task_id);
  }

  /** Works until the run has ended or its runner rests. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const { run, runner, isLive } = this.#options.watch.view;
      if (!isLive || run.id !== this.#at.run_id || runner.desired !== "READY") return;
      if (run.desired === "STOP") return this.#end(signal);
      const { tenure, watch } = this.#options;
      const { unwanted } = watch;
      const step = { name: "steer", maxMs: this.#deps.times.agentStart + answerMs, signals: [signal, unwanted] };
      try {
        const waitMs = await tenure.step(step, (until) => this.#round(run, until));
        await this.alarm.wait(signal, waitMs);
      } catch (error) {
        signal.throwIfAborted();
        if (unwanted.aborted) continue;
        if (!isDatabaseAway(error)) throw error;
        await this.alarm.wait(signal, retryMs);
      }
    }
  }

  /** Does all that is to be done now; returns when to look again, if without being woken. */
  async #round(run: RunRow, signal: AbortSignal): Promise<number | undefined> {
    const isPaused = await this.#pauser.tick(run, signal);
    const turn = await openTurn(this.#deps.db, this.#at.task_id);
    if (this.#measuredTurn !== undefined && this.#measuredTurn !== turn?.id) await this.#measure();
    this.#measuredTurn = turn?.id;
    // Before a turn is given, all that was chosen is applied, or the turn is not given.
    if (!isPaused && turn?.state !== "QUEUED") await this.#chooser.tick(run, signal);
    if (turn?.state === "QUEUED" && run.slot && !isPaused) await this.#give(turn, signal);
    if (turn?.state === "RUNNING" && turn.cancel_asked) await this.#cancel(turn, signal);
    if (turn?.state === "RUNNING" && !isPaused) await this.#watchTurn(turn, signal);
    await this.#answer(signal);
    return turn ? lookMs : this.#idle(run);
  }

  /** A run without a turn lets its runner rest when its time is over. */
  async #idle(run: RunRow): Promise<number | undefined> {
    if (run.queued_at !== null || run.slot) return undefined;
    const idleMs = this.#deps.idleMs(this.#options.watch.view.runner.tier);
    const leftMs = (run.idle_since?.getTime() ?? Date.now()) + idleMs - Date.now();
    if (leftMs > 0) return Math.min(leftMs, maxTimerMs);
    if (!this.#options.isUnused()) return Math.min(idleMs, busyLookMs);
    await restIdle(this.#deps, this.#at, idleMs);
    await this.#options.watch.look();
    return 0;
  }

  /** Ends the agent, and waits a little for what it said last. The rest of the journal is read after the run's end. */
  async #end(signal: AbortSignal): Promise<void> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(endMs)]);
    try {
      await this.#link.client.call(daemonApi.stopAgent, { body: { reason: "the run ends" } }, { signal: until });
      const { journal } = await this.#link.client.call(daemonApi.health, {}, { signal: until });
      while (this.#options.stored() < journal.last && !until.aborted) await this.alarm.wait(until, drainLookMs);
    } catch (error) {
      signal.throwIfAborted();
      this.#deps.logger.debug({ run_id: this.#at.run_id, error }, "a run's agent did not end in time");
    }
    await this.#measure();
    await endRun(this.#deps, this.#at);
    await this.#options.watch.look();
  }

  /** Hands a queued turn over. That it is about to be is on disk first: from then on it is never handed over blindly. */
  async #give(turn: TurnRow, signal: AbortSignal): Promise<void> {
    const context = await this.#begin(turn, signal);
    const isNext = await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#at.task_id);
      await lockLeased(writer.tx, this.#at);
      // It may have been taken back, or another put ahead of it, since it was looked at.
      const next = await openTurn(writer.tx, this.#at.task_id);
      if (next?.id !== turn.id || !(await moveTurn(writer, next, "RUNNING"))) return false;
      await updateLeased(writer.tx, this.#at, { prompted: true });
      return true;
    });
    if (isNext) await this.#prompt(turn, context, signal);
  }

  /** Has the agent at work, and answers with what it must be told because its session does not know it. */
  async #begin(turn: TurnRow, signal: AbortSignal): Promise<string | undefined> {
    const { session_id, loaded, usualMode } = await startAgent(this.#deps, this.#at, { link: this.#link, signal });
    await this.#chooser.apply({ mode: usualMode }, signal);
    if (loaded || !session_id) return undefined;
    return earlierConversation(this.#deps.db, { task_id: turn.task_id, turn_id: turn.id, session_id });
  }

  /** A running turn: the daemon must have it, and gets it if an earlier wire broke before it did. */
  async #watchTurn(turn: TurnRow, signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#nextLook) return;
    this.#nextLook = performance.now() + lookMs;
    const { state } = await this.#link.client.call(daemonApi.turn, { params: { turn_id: turn.id } }, { signal });
    if (state === "unknown") {
      if (turn.cancel_asked) return this.#close(turn, "cancelled", "it was cancelled before the agent had it");
      return this.#prompt(turn, await this.#begin(turn, signal), signal);
    }
    const over = state === "ENDED" || state === "CANCELLED" || state === "INTERRUPTED";
    // A turn that has long been over for the daemon and whose end its journal never told does not stay open for ever.
    if (over && this.#endedTurn === turn.id)
      await this.#close(turn, "interrupted", "the runner says that it is over and its journal does not say how");
    this.#endedTurn = over ? turn.id : undefined;
  }

  /** Writes down the end of a turn of which the journal will say nothing: as if it had. */
  async #close({ id, task_id, run_id }: TurnRow, status: "cancelled" | "interrupted", reason: string): Promise<void> {
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, task_id);
      await lockLeased(writer.tx, this.#at);
      const turn = await openTurn(writer.tx, task_id);
      if (turn?.state !== "RUNNING" || turn.id !== id) return;
      const data = { kind: "turn" as const, turn_id: id, status, reason };
      await writer.append(task_id, [{ run_id, data }]);
      await applyTurn(writer, { task_id, run_id }, data);
    });
  }

  /** Its end comes as any other's, through the journal. */
  async #cancel(turn: TurnRow, signal: AbortSignal): Promise<void> {
    if (this.#cancelled === turn.id) return;
    await this.#link.client.call(daemonApi.cancelTurn, { body: { turn_id: turn.id } }, { signal }).catch(ignoreSettled);
    this.#cancelled = turn.id;
  }

  async #prompt(turn: TurnRow, context: string | undefined, signal: AbortSignal): Promise<void> {
    const { times, db } = this.#deps;
    const [stored] = await db.select({ attachments: turns.attachments }).from(turns).where(eq(turns.id, turn.id));
    const [task] = await db.select({ title: tasks.title }).from(tasks).where(eq(tasks.id, turn.task_id));
    const subject = (task?.title ?? turn.prompt).split("\n")[0]?.slice(0, maxSubject) ?? "Work on the task";
    const body = {
      run_id: this.#at.run_id,
      turn_id: turn.id,
      text: turn.prompt,
      ...(context !== undefined && { context }),
      ...(stored?.attachments.length && { attachments: stored.attachments }),
      idle_timeout_s: times.turnIdle / 1000,
      commit: { message: subject, ...author },
    };
    await this.#link.client.call(daemonApi.prompt, { body }, { signal });
    this.#options.onGiven();
    this.#nextLook = performance.now() + lookMs;
  }

  async #answer(signal: AbortSignal): Promise<void> {
    const mine = eq(permissions.run_id, this.#at.run_id);
    const answered = await this.#deps.db
      .select()
      .from(permissions)
      .where(and(mine, eq(permissions.state, "ANSWERED")));
    for (const { permission_id, option_id, answered_by } of answered) {
      const body = { by: answered_by ?? "a person", ...(option_id && { option_id }) };
      await this.#link.client
        .call(daemonApi.answerPermission, { params: { permission_id }, body }, { signal })
        .catch(ignoreSettled);
      await this.#deps.db
        .update(permissions)
        .set({ state: "CLOSED" })
        .where(and(mine, eq(permissions.permission_id, permission_id)));
    }
  }

  /** What the runner has used so far, measured outside. */
  async #measure(): Promise<void> {
    const { tenure } = this.#options;
    const used = await tenure
      .step({ name: "measure", maxMs: measureMs }, () => this.#deps.backend.usage(tenure.runnerId))
      .catch((error: unknown) => {
        this.#deps.logger.warn({ run_id: this.#at.run_id, error }, "a runner's usage could not be measured");
      });
    if (!used) return;
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#at.task_id);
      await lockLeased(writer.tx, this.#at);
      const data = {
        kind: "usage" as const,
        source: "backend" as const,
        cpu_seconds: used.cpuSeconds,
        memory_peak_bytes: used.memoryPeakBytes,
      };
      await writer.append(this.#at.task_id, [{ run_id: this.#at.run_id, data }]);
    });
  }
}

/** An answer the daemon no longer wants (timed out, cancelled, given before a crash) has come to its end all the same. */
function ignoreSettled(error: unknown): void {
  if (error instanceof RemoteError && (error.code === "not_found" || error.code === "conflict")) return;
  throw error;
}

const measureMs = 2_000;
const drainLookMs = 50;
/** A runner that a person has a terminal in is not idle; this is how often that is looked at. */
const busyLookMs = 60_000;
const maxTimerMs = 2 ** 31 - 1;
