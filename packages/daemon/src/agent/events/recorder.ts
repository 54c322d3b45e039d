import { setTimeout as sleep } from "node:timers/promises";
import { eventTypeByKind, type EventData, type EventType } from "@wharf/contract";
import type { AgentJournal, JournalEntry, JournalPlace } from "../types.ts";
import { splitText, toStorable } from "./byte-budget.ts";

/** Text may wait this long for more of its kind. */
const joinDelayMs = 50;
/** Text of this length is sent without waiting. */
const maxJoinedCharacters = 8 * 1024;

export type TextChunk =
  | { kind: "message"; text: string }
  | { kind: "thought"; text: string }
  | { kind: "output"; stream: "stdout" | "stderr"; text: string };

/**
 * Appends an event. Before the append, calls `prepare` with the event's place; repeats both if
 * either fails.
 */
type PutPrepared = (
  data: EventData,
  options: { type: EventType; prepare: (place: JournalPlace) => Promise<void> },
) => Promise<void>;

/**
 * Writes a run's events to the journal in the order they arrive. Chunks of text of one kind are
 * joined for a short time; any other event sends the waiting text first.
 *
 * Every method resolves when the journal has accepted all earlier events. The code that reads an
 * agent awaits this before reading on: that is how a full journal stops the agent. Nothing is
 * dropped: the recorder retries events that the journal refuses.
 */
export class Recorder {
  readonly #journal: AgentJournal;
  readonly #runId: string;
  readonly #retryMs: number;
  #tail: Promise<void> = Promise.resolve();
  #open = 0;
  #joined: { like: TextChunk; text: string } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(journal: AgentJournal, runId: string, retryMs: number) {
    this.#journal = journal;
    this.#runId = runId;
    this.#retryMs = retryMs;
  }

  /** The journal has not yet accepted every event. */
  get isWaiting(): boolean {
    return this.#open > 0;
  }

  record(data: EventData, type: EventType = eventTypeByKind[data.kind]): Promise<void> {
    this.#sendJoined();
    return this.#append({ run_id: this.#runId, type, data });
  }

  recordText(chunk: TextChunk): Promise<void> {
    if (this.#joined && !isSameKind(this.#joined.like, chunk)) this.#sendJoined();
    if (!this.#joined) {
      this.#joined = { like: chunk, text: chunk.text };
      this.#timer = setTimeout(() => this.#sendJoined(), joinDelayMs);
    } else {
      this.#joined.text += chunk.kind === "output" ? `\n${chunk.text}` : chunk.text;
    }
    if (this.#joined.text.length >= maxJoinedCharacters) this.#sendJoined();
    return this.#tail;
  }

  /** Resolves when every recorded event is accepted. */
  flush(): Promise<void> {
    this.#sendJoined();
    return this.#tail;
  }

  /**
   * Runs work after all earlier events and before any later one; during the work, `put` appends.
   */
  runExclusively(work: (put: PutPrepared) => Promise<void>): Promise<void> {
    this.#sendJoined();
    const put: PutPrepared = (data, { type, prepare }) =>
      this.retryUntilDone(() =>
        this.#journal.appendPrepared({ run_id: this.#runId, type, data: toStorable(data) }, prepare),
      );
    return this.#enqueue(() => work(put));
  }

  /** Retries an action that may fail on a disk until it succeeds. */
  async retryUntilDone(action: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await action();
      } catch {
        await sleep(this.#retryMs, undefined, { ref: false });
      }
    }
  }

  #sendJoined(): void {
    clearTimeout(this.#timer);
    const joinedText = this.#joined;
    if (!joinedText) return;
    this.#joined = undefined;
    for (const text of splitText(joinedText.text)) {
      const data: EventData =
        joinedText.like.kind === "output"
          ? { kind: "output", stream: joinedText.like.stream, text }
          : joinedText.like.kind === "message"
            ? { kind: "message", role: "agent", text }
            : { kind: "thought", text };
      void this.#append({ run_id: this.#runId, type: eventTypeByKind[data.kind], data });
    }
  }

  #append(entry: JournalEntry): Promise<void> {
    return this.#enqueue(() => this.#put(entry));
  }

  #put(entry: JournalEntry): Promise<void> {
    const clean = { ...entry, data: toStorable(entry.data) };
    return this.retryUntilDone(() => this.#journal.append(clean));
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#open++;
    this.#tail = this.#tail.then(work).finally(() => this.#open--);
    return this.#tail;
  }
}

const isSameKind = (a: TextChunk, b: TextChunk): boolean =>
  a.kind === b.kind && (a.kind !== "output" || b.kind !== "output" || a.stream === b.stream);
