import { daemonApi, type EventKind, type JournalRecord, RemoteError, WharfError } from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import type { Link } from "../runners/index.ts";
import { schema } from "../store/index.ts";
import { lockTask } from "../tasks/index.ts";
import type { RunDeps } from "./deps.ts";
import type { Cursor } from "./journal.ts";
import { type Lease, lockLeased, readLeased, type RunRow, updateLeased } from "./lease.ts";
import { applyTurn } from "./apply.ts";
import { Chooser } from "./chooser.ts";
import { earlierConversation } from "./conversation.ts";
import { Pauser } from "./pauser.ts";
import { author, startAgent } from "./start.ts";
import { moveTurn, openTurn, type TurnRow } from "./transitions.ts";

const { permissions, pushes, tasks, turns } = schema;

/** The first line of a commit message, from what was asked. */
const maxSubject = 72;
/** How often the daemon is asked what became of a running turn; its journal tells the end long before. */
const lookEvery = 15_000; // ms

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
/** Records that may wait to be trimmed from the runner's disk. */
const maxUnacknowledged = 500;

/** What one wire to a run's runner is used for besides reading: giving turns, answering, pushing, acknowledging. */
export class TurnGiver {
  readonly #deps: RunDeps;
  readonly #lease: Lease;
  readonly #link: Link;
  readonly #runnerId: string;
  readonly #pauser: Pauser;
  readonly #chooser: Chooser;
  /** When the daemon is next asked what became of the running turn: at once on a new wire, then now and then. */
  #nextLook = 0;
  /** The turn that was over for the daemon at the last look. */
  #seenOver: string | undefined;
  /** The turn that the daemon was asked to cancel over this wire. */
  #cancelled: string | undefined;
  #acked = 0;
  #stored: Cursor | undefined;
  /** The open turn at the last tick: with another one, or none, what it used is told. */
  #metered: string | undefined;

  constructor(deps: RunDeps, lease: Lease, at: { link: Link; runnerId: string }) {
    this.#deps = deps;
    this.#lease = lease;
    this.#link = at.link;
    this.#runnerId = at.runnerId;
    this.#pauser = new Pauser(deps, lease, at.link);
    this.#chooser = new Chooser(deps, lease, at.link);
  }

  /**
   * The log holds the journal up to here. Whoever drives the run is woken where there is something to do; for text alone
   * once a second is enough, as a tick costs as much as storing the batch did.
   */
  stored(cursor: Cursor, records: readonly JournalRecord[]): void {
    this.#stored = cursor;
    const isMuch = cursor.seq - this.#acked >= maxUnacknowledged;
    if (isMuch || records.some(({ data }) => !passing.has(data.kind))) this.#deps.wakeup.poke(this.#lease.run_id);
    this.#deps.wakeup.poke(`drain:${this.#lease.run_id}`);
  }

  async tick(run: RunRow, signal: AbortSignal): Promise<void> {
    await this.#acknowledge(signal);
    const isPaused = await this.#pauser.tick(run, signal);
    const turn = await openTurn(this.#deps.db, this.#lease.task_id);
    if (this.#metered !== undefined && this.#metered !== turn?.id) await this.tellUsage();
    this.#metered = turn?.id;
    if (!isPaused) await this.#chooser.tick(run, signal);
    if (turn?.state === "QUEUED" && run.slot && !isPaused) await this.#give(turn, signal);
    if (turn?.state === "RUNNING" && turn.cancel_asked) await this.#cancel(turn, signal);
    if (turn?.state === "RUNNING" && !isPaused) await this.#watch(turn, signal);
    await this.#answer(signal);
    await this.push(signal);
  }

  async #acknowledge(signal: AbortSignal): Promise<void> {
    const stored = this.#stored;
    if (!stored || stored.seq === this.#acked) return;
    await this.#link.client.call(daemonApi.ackJournal, { body: stored }, { signal });
    this.#acked = stored.seq;
  }

  /** Hands a queued turn over. That it is about to be is on disk first: from then on it is never handed over blindly. */
  async #give(turn: TurnRow, signal: AbortSignal): Promise<void> {
    const context = await this.#begin(turn, signal);
    const isNext = await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#lease.task_id);
      await lockLeased(writer.tx, this.#lease);
      // It may have been taken back, or another put ahead of it, since it was looked at.
      const next = await openTurn(writer.tx, this.#lease.task_id);
      if (next?.id !== turn.id || !(await moveTurn(writer, next, "RUNNING"))) return false;
      await updateLeased(writer.tx, this.#lease, { prompted: true });
      return true;
    });
    if (isNext) await this.#prompt(turn, context, signal);
  }

  /** Has the agent at work, and answers with what it must be told because its session does not know it. */
  async #begin(turn: TurnRow, signal: AbortSignal): Promise<string | undefined> {
    const { session_id, loaded } = await startAgent(this.#deps, this.#lease, { link: this.#link, signal });
    await this.#chooser.apply(signal);
    if (loaded || !session_id) return undefined;
    return earlierConversation(this.#deps.db, { task_id: turn.task_id, turn_id: turn.id, session_id });
  }

  /** A running turn: the daemon must have it, and gets it if an earlier wire broke before it did. */
  async #watch(turn: TurnRow, signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#nextLook) return;
    this.#nextLook = performance.now() + lookEvery;
    const { state } = await this.#link.client.call(daemonApi.turn, { params: { turn_id: turn.id } }, { signal });
    if (state === "unknown") {
      if (turn.cancel_asked) return this.#close(turn, "cancelled", "it was cancelled before the agent had it");
      return this.#prompt(turn, await this.#begin(turn, signal), signal);
    }
    const over = state === "ENDED" || state === "CANCELLED" || state === "INTERRUPTED";
    // A turn that has long been over for the daemon and whose end its journal never told does not stay open for ever.
    if (over && this.#seenOver === turn.id)
      await this.#close(turn, "interrupted", "the runner says that it is over and its journal does not say how");
    this.#seenOver = over ? turn.id : undefined;
  }

  /** Writes down the end of a turn of which the journal will say nothing: as if it had. */
  async #close({ id, task_id, run_id }: TurnRow, status: "cancelled" | "interrupted", reason: string): Promise<void> {
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, task_id);
      await lockLeased(writer.tx, this.#lease);
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
      run_id: this.#lease.run_id,
      turn_id: turn.id,
      text: turn.prompt,
      ...(context !== undefined && { context }),
      ...(stored?.attachments.length && { attachments: stored.attachments }),
      idle_timeout_s: times.turnIdle / 1000,
      commit: { message: subject, ...author },
    };
    await this.#link.client.call(daemonApi.prompt, { body }, { signal });
    this.#nextLook = performance.now() + lookEvery;
  }

  async #answer(signal: AbortSignal): Promise<void> {
    const mine = eq(permissions.run_id, this.#lease.run_id);
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

  /** Has the daemon push its branch to the mirror, where one is wanted; from there it needs no runner. */
  async push(signal: AbortSignal): Promise<void> {
    const mine = and(eq(pushes.task_id, this.#lease.task_id), eq(pushes.state, "WANTED"));
    const [wanted] = await this.#deps.db.select().from(pushes).where(mine);
    if (!wanted || wanted.next_attempt_at > new Date()) return;
    const [task] = await this.#deps.db.select().from(tasks).where(eq(tasks.id, wanted.task_id));
    const run = await readLeased(this.#deps.db, this.#lease);
    if (!task || !run.repository_id) return;
    try {
      await this.#link.client.call(
        daemonApi.push,
        { body: { shadow_branch: task.shadow_branch } },
        { signal, timeoutMs: this.#deps.times.clone },
      );
      const sha = await this.#deps.mirrors.head(run.repository_id, task.shadow_branch);
      if (!sha)
        throw new WharfError("push_rejected", { ref: task.shadow_branch, reason: "the mirror did not take it" });
      await this.#deps.db
        .update(pushes)
        .set({ state: "MIRRORED", sha, attempts: 0, next_attempt_at: new Date() })
        .where(and(mine, eq(pushes.sha, wanted.sha)));
      this.#deps.wakeup.poke("pushes");
    } catch (error) {
      if (this.#link.signal.aborted) throw error;
      const delay = Math.min(60_000, 1_000 * 2 ** wanted.attempts); // ms
      const change = {
        attempts: wanted.attempts + 1,
        next_attempt_at: new Date(Date.now() + delay),
        error_message: String(error),
      };
      await this.#deps.db
        .update(pushes)
        .set(change)
        .where(and(mine, eq(pushes.sha, wanted.sha)));
      this.#deps.logger.warn(
        { run_id: this.#lease.run_id, error },
        "a runner's push to the mirror failed and is tried again",
      );
    }
  }

  /** What the runner has used so far, measured outside. */
  async tellUsage(): Promise<void> {
    const used = await this.#deps.backend.usage(this.#runnerId).catch((error: unknown) => {
      this.#deps.logger.warn({ run_id: this.#lease.run_id, error }, "a runner's usage could not be measured");
    });
    if (!used) return;
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#lease.task_id);
      await lockLeased(writer.tx, this.#lease);
      const data = {
        kind: "usage" as const,
        source: "backend" as const,
        cpu_seconds: used.cpuSeconds,
        memory_peak_bytes: used.memoryPeakBytes,
      };
      await writer.append(this.#lease.task_id, [{ run_id: this.#lease.run_id, data }]);
    });
  }
}

/** An answer the daemon no longer wants (timed out, cancelled, given before a crash) has come to its end all the same. */
function ignoreSettled(error: unknown): void {
  if (error instanceof RemoteError && (error.code === "not_found" || error.code === "conflict")) return;
  throw error;
}
