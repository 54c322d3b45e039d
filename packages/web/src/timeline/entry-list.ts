import type { Event, EventData } from "@wharf/client";
import type { Entry, EntryData, Phase, StartData } from "./entry.ts";

/** Longer texts begin a new entry, so that no line of the timeline takes long to draw. */
const maxJoinedLength = 20_000;

/**
 * The lines of the timeline for a range of events: the chunks of a message are joined, and a tool
 * call, a question, a plan and the steps of a start are one line each, which later events change.
 *
 * `entries` grows in place, because a copy per frame of 100,000 entries costs more than drawing
 * them.
 */
export class EntryList {
  readonly entries: Entry[] = [];
  /** Where the entries are that later events may change, by what they are about. */
  readonly #indexes = new Map<string, number>();

  append({ seq, timestamp, agent_id: runId = "", data }: Event): void {
    if (data.kind === "turn") this.#indexes.delete("plan");
    const shownData = toEntryData(data, timestamp);
    if (!shownData) return;
    const key = getKey(shownData, runId);
    const index = this.#findIndex(shownData, key);
    const existing = this.entries[index];
    this.entries[index] = existing
      ? { ...existing, changedAt: timestamp, data: joinData(existing.data, shownData) }
      : { seq, timestamp, changedAt: timestamp, data: shownData };
    if (key !== undefined) this.#indexes.set(key, index);
  }

  /** Finds the entry that an event changes, or the place behind the last one. */
  #findIndex(data: EntryData, key: string | undefined): number {
    const end = this.entries.length;
    if (key !== undefined) return (isFirstPhase(data) ? undefined : this.#indexes.get(key)) ?? end;
    const last = this.entries[end - 1]?.data;
    return last && isContinued(last, data) ? end - 1 : end;
  }
}

/** Returns what a line shows of an event, or undefined if only the list of all events shows it. */
function toEntryData(data: EventData, timestamp: string): EntryData | undefined {
  switch (data.kind) {
    case "usage":
    case "fs_change":
    case "agent_info":
      return undefined;
    case "phase":
      return { kind: "start", phases: [{ ...data, startedAt: timestamp }] };
    case "state":
      return isShownState(data) ? data : undefined;
    case "turn":
      return data.status === "queued" ? undefined : data;
    case "message":
      return data.role === "agent" ? data : undefined; // a turn shows its prompt
    case "session":
      return data.loaded ? data : undefined;
    default:
      return data;
  }
}

/** The header shows the task's state. The timeline has what people decided, and new attempts. */
function isShownState({ entity, from, to }: Extract<EventData, { kind: "state" }>): boolean {
  if (entity === "task") return to === "COMPLETED" || to === "CANCELLED" || to === "FAILED";
  return entity === "run" && (to === "PAUSED" || from === "PAUSED" || (to === "PENDING" && from !== undefined));
}

function getKey(data: EntryData, runId: string): string | undefined {
  switch (data.kind) {
    case "tool_call":
      return `tool ${data.tool_call_id}`;
    case "permission":
      return `permission ${data.permission_id}`;
    case "push":
      return `push ${data.sha}`;
    case "start":
      return `start ${runId}`;
    case "plan":
      return "plan";
    default:
      return undefined;
  }
}

/** Each attempt to start has its own line. */
const isFirstPhase = (data: EntryData): boolean =>
  data.kind === "start" && data.phases[0]?.phase === "provision" && data.phases[0].status === "started";

function isContinued(last: EntryData, data: EntryData): boolean {
  if (last.kind === "message" && data.kind === "message") return last.text.length < maxJoinedLength;
  if (last.kind === "thought" && data.kind === "thought") return last.text.length < maxJoinedLength;
  return (
    last.kind === "output" &&
    data.kind === "output" &&
    last.stream === data.stream &&
    last.text.length < maxJoinedLength
  );
}

function joinData(existing: EntryData, data: EntryData): EntryData {
  if (existing.kind === "message" && data.kind === "message") return { ...data, text: existing.text + data.text };
  if (existing.kind === "thought" && data.kind === "thought") return { ...data, text: existing.text + data.text };
  if (existing.kind === "output" && data.kind === "output")
    return { ...data, text: `${existing.text.replace(/\n$/, "")}\n${data.text}` };
  if (existing.kind === "tool_call" && data.kind === "tool_call") return { ...existing, ...data };
  if (existing.kind === "permission" && data.kind === "permission") return { ...existing, ...data };
  if (existing.kind === "start" && data.kind === "start") return joinPhases(existing, data);
  return data;
}

function joinPhases({ phases }: StartData, { phases: [newest] }: StartData): StartData {
  if (!newest) return { kind: "start", phases };
  const isSame = (one: Phase) => one.phase === newest.phase;
  const joined = phases.some(isSame)
    ? phases.map((one) => (isSame(one) ? { ...one, ...newest, startedAt: one.startedAt } : one))
    : [...phases, newest];
  return { kind: "start", phases: joined };
}
