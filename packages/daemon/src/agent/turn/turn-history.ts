import type { EventDataByKind } from "@wharf/contract";
import type { StateDisk } from "../../file-system/state-disk.ts";
import type { Recorder } from "../events/recorder.ts";
import type { SessionFile, TurnWitness } from "../session-file.ts";
import type { AgentJournal } from "../types.ts";
import { endTurn, recoverTurn } from "./turn-end.ts";
import type { LoggedTurn, TurnEnding, TurnLog } from "./turn-log.ts";

/**
 * TurnHistory records which turns have begun in this runner. The turn log knows them as long as it
 * is complete. Two witnesses reveal an incomplete log, even if it looks intact: the session file
 * names the newest turn, and a journal with records implies a history that wrote them.
 *
 * In an incomplete history, a missing turn proves nothing. The server asks about a turn only when
 * it may have handed it over, so a missing turn counts as begun: it ends as interrupted and is
 * never executed. A new turn, which the server sends without asking, is executed as usual.
 */
export class TurnHistory {
  readonly log: TurnLog;
  readonly #journal: AgentJournal;
  readonly #createRecorder: (runId: string) => Recorder;
  readonly #disk: TurnHistoryOptions["disk"];
  readonly #lastTurn: LastTurn;
  readonly #settling = new Map<string, Promise<void>>();

  private constructor(log: TurnLog, lastTurn: LastTurn, { journal, createRecorder, disk }: TurnHistoryOptions) {
    this.log = log;
    this.#lastTurn = lastTurn;
    this.#journal = journal;
    this.#createRecorder = createRecorder;
    this.#disk = disk;
  }

  static async open(log: TurnLog, options: TurnHistoryOptions): Promise<TurnHistory> {
    const witness = await options.session.readTurnWitness();
    if (!log.isIncomplete && isContradicted(log, witness, options.journal)) await log.recordIncomplete();
    if (log.isIncomplete) options.onIncomplete();
    return new TurnHistory(log, typeof witness === "object" ? witness.last_turn : undefined, options);
  }

  /** Settles the turns that an earlier daemon left open. */
  async recover(): Promise<void> {
    for (const turn of this.log.getOpenTurns()) await this.#settleTurn(turn);
  }

  /** Called before a turn is accepted: afterwards, the log has every turn that left a trace. */
  async settleBeforeAccept(turnId: string): Promise<void> {
    if (!this.#isInDoubt(turnId)) return;
    const isBegun = this.#lastTurn?.turn_id === turnId || this.#settling.has(turnId);
    if (isBegun || (await this.#searchJournal(turnId)).isBegun) await this.#settleOnce(turnId);
  }

  /** Called before the lookup of a turn that the server may have handed over. */
  async settleBeforeLookup(turnId: string): Promise<void> {
    if (this.#isInDoubt(turnId)) await this.#settleOnce(turnId);
  }

  #isInDoubt(turnId: string): boolean {
    return this.log.isIncomplete && (this.#settling.has(turnId) || !this.log.get(turnId));
  }

  async #settleOnce(turnId: string): Promise<void> {
    const settling =
      this.#settling.get(turnId) ?? this.#settleMissing(turnId).finally(() => this.#settling.delete(turnId));
    this.#settling.set(turnId, settling);
    await settling;
  }

  async #settleMissing(turnId: string): Promise<void> {
    const runId = this.#lastTurn?.run_id ?? (await this.#searchJournal(turnId)).runId ?? "unknown";
    await this.log.recordRunning({ turn_id: turnId, run_id: runId });
    await this.#settleTurn({ turn_id: turnId, run_id: runId, isDone: false });
  }

  async #settleTurn(turn: LoggedTurn): Promise<void> {
    const { log } = this;
    const context = { journal: this.#journal, log, recorder: this.#createRecorder(turn.run_id), disk: this.#disk };
    if (!log.isIncomplete || turn.ending) return await recoverTurn(context, turn);
    const { ending } = await this.#searchJournal(turn.turn_id);
    if (ending) {
      await log.recordEnding(ending);
      return await log.recordDone(turn.turn_id);
    }
    const reason = "The runner's record of its turns was damaged; it is unknown how far the agent got.";
    const data: EventDataByKind<"turn"> = { kind: "turn", turn_id: turn.turn_id, status: "interrupted", reason };
    await endTurn(context, { turn_id: turn.turn_id, state: "INTERRUPTED", data });
  }

  /** Returns the journal's records of a turn, and the run that wrote the newest record. */
  async #searchJournal(turnId: string): Promise<JournalTrace> {
    const { epoch, first, last } = this.#journal.state();
    const trace: JournalTrace = { isBegun: false, ending: undefined, runId: undefined };
    if (last < first) return trace;
    for await (const { seq, run_id, type, data } of this.#journal.read({ after: first - 1 })) {
      trace.runId = run_id;
      if (data.kind === "turn" && data.turn_id === turnId) {
        trace.isBegun = true;
        const state = endStates[data.status];
        if (state) trace.ending = { turn_id: turnId, state, epoch, seq, type, data };
      }
      if (seq >= last) break;
    }
    return trace;
  }
}

interface TurnHistoryOptions {
  readonly journal: AgentJournal;
  readonly session: SessionFile;
  readonly createRecorder: (runId: string) => Recorder;
  readonly disk: Pick<StateDisk, "makeRoom">;
  /** Called when turns may have begun that are not in the log. */
  readonly onIncomplete: () => void;
}

interface JournalTrace {
  isBegun: boolean;
  ending: Omit<TurnEnding, "step"> | undefined;
  runId: string | undefined;
}

type LastTurn = Exclude<TurnWitness, string>["last_turn"];

const endStates: Partial<Record<EventDataByKind<"turn">["status"], TurnEnding["state"]>> = {
  ended: "ENDED",
  cancelled: "CANCELLED",
  interrupted: "INTERRUPTED",
};

/** Checks whether the witnesses know of more than the log does. */
function isContradicted(log: TurnLog, witness: TurnWitness, journal: AgentJournal): boolean {
  if (witness === "unreadable") return true;
  // The session file is written before the journal's first record and before the log's first step.
  if (witness === "missing") return !log.isEmpty || journal.state().last > 0;
  return witness.last_turn !== undefined && !log.get(witness.last_turn.turn_id);
}
