import { eventTypeByKind, type EventDataByKind, type EventType } from "@wharf/contract";
import type { StateDisk } from "../../file-system/state-disk.ts";
import type { Recorder } from "../events/recorder.ts";
import type { AgentJournal, JournalPlace } from "../types.ts";
import type { LoggedTurn, TurnEnding, TurnLog } from "./turn-log.ts";

/**
 * A turn's last event gets into the journal exactly once, though the daemon may die at any moment
 * and the journal accepts any entry:
 *
 * 1. The host flushes all recorded events, and the journal names the event's place, which no
 *    other entry can take.
 * 2. The log keeps the event and that place (`ending`, on disk).
 * 3. The host appends and flushes the event.
 * 4. The log records `done`, on disk.
 *
 * A death before 2 leaves an open turn, which ends as interrupted. A death between 2 and 4 leaves
 * an ending: the event is in the journal if and only if the journal of that epoch reaches its
 * place, which decides whether recovery appends it again.
 */
interface TurnEndContext {
  journal: AgentJournal;
  log: TurnLog;
  recorder: Recorder;
  /** The disk releases its reserve if there is no other room for the ending. */
  disk: Pick<StateDisk, "makeRoom">;
}

type EndedTurn = Pick<TurnEnding, "turn_id" | "state" | "data">;

export async function endTurn(context: TurnEndContext, ended: EndedTurn): Promise<void> {
  const { journal, log, recorder, disk } = context;
  const writeStep = (step: () => Promise<void>) =>
    recorder.retryUntilDone(async () => {
      await disk.makeRoom();
      await step();
    });
  const type: EventType = ended.data.stop_reason === "error" ? "error" : eventTypeByKind.turn;
  await recorder.runExclusively(async (put) => {
    await writeStep(() => journal.flush());
    const prepare = async (place: JournalPlace) => {
      await disk.makeRoom();
      await log.recordEnding({ ...ended, ...place, type });
    };
    await put(ended.data, { type, prepare });
    await writeStep(() => journal.flush());
  });
  await writeStep(() => log.recordDone(ended.turn_id));
}

/** Settles a turn that an earlier daemon left open. */
export async function recoverTurn(places: TurnEndContext, turn: LoggedTurn): Promise<void> {
  const { journal, log } = places;
  const { ending, turn_id } = turn;
  if (!ending) {
    const reason = "The runner's daemon stopped during the turn; it is unknown how far the agent got.";
    const data: EventDataByKind<"turn"> = { kind: "turn", turn_id, status: "interrupted", reason };
    return await endTurn(places, { turn_id, state: "INTERRUPTED", data });
  }
  if (await isInJournal(journal, ending)) return await log.recordDone(turn_id);
  await endTurn(places, { turn_id, state: ending.state, data: ending.data });
}

async function isInJournal(journal: AgentJournal, ending: TurnEnding): Promise<boolean> {
  const { epoch, first, last } = journal.state();
  // The journal was lost, and this event with it.
  if (epoch !== ending.epoch || last < ending.seq) return false;
  // The server read the event, and the journal trimmed it.
  if (first > ending.seq) return true;
  for await (const { seq, data } of journal.read({ after: ending.seq - 1 })) {
    if (data.kind === "turn" && data.turn_id === ending.turn_id && data.status === ending.data.status) return true;
    if (seq >= last) return false;
  }
  return false;
}
