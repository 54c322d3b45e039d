import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EventData,
  type EventType,
  type FsChanges,
  type JournalRecord,
  type JournalState,
  WharfError,
} from "@wharf/contract";
import { Bell } from "./bell.ts";

export interface JournalEntry {
  readonly run_id: string;
  readonly type: EventType;
  readonly data: EventData | FsChanges;
}

type Kept = Omit<JournalRecord, "data"> & Pick<JournalEntry, "data">;

/**
 * A journal as the daemon keeps it, on a disk that is memory. A record is *accepted*, then *readable* when its write is
 * over, then *acknowledged* and trimmed. A daemon that dies loses what was accepted only.
 */
export class MemoryJournal {
  readonly #epoch = randomBytes(8).toString("hex");
  readonly #writeMs: () => number;
  readonly #readable = new Bell();
  #records: Kept[] = [];
  #accepted: { readonly entry: JournalEntry; readonly onReadable: (() => void) | undefined }[] = [];
  #first = 1;
  #last = 0;
  #acked = 0;
  #writing: Promise<void> | undefined;
  #life = 0;

  constructor(writeMs: () => number) {
    this.#writeMs = writeMs;
  }

  state(): JournalState {
    return { epoch: this.#epoch, first: this.#first, last: this.#last, acked: this.#acked };
  }

  /** `onReadable` is called in the moment from which the record can no longer be lost. */
  append(entry: JournalEntry, onReadable?: () => void): void {
    this.#accepted.push({ entry: structuredClone(entry), onReadable });
    this.#writing ??= this.#write(this.#life);
  }

  /** Resolves when all that was appended is readable. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** What is not on disk by now never will be. */
  crash(): void {
    this.#life += 1;
    this.#accepted = [];
    this.#writing = undefined;
  }

  /** Throws at once for a cursor that was trimmed, or lies beyond the end. */
  read({ after }: { after: number }): AsyncIterable<Kept> {
    this.#check(after);
    return this.#read(after);
  }

  follow({ after, signal }: { after: number; signal: AbortSignal }): AsyncIterable<Kept> {
    this.#check(after);
    return this.#follow(after, signal);
  }

  async *#read(after: number): AsyncGenerator<Kept> {
    const last = this.#last;
    for (let seq = after + 1; seq <= last; seq++) {
      const record = this.#records[seq - this.#first];
      if (record) yield record;
    }
  }

  async *#follow(after: number, signal: AbortSignal): AsyncGenerator<Kept> {
    for (let seq = after + 1; !signal.aborted;) {
      const record = this.#records[seq - this.#first];
      if (!record) {
        await this.#readable.wait(signal).catch(() => undefined);
        continue;
      }
      seq += 1;
      yield record;
    }
  }

  ack({ epoch, seq }: { epoch: string; seq: number }): void {
    if (epoch !== this.#epoch)
      throw new WharfError("conflict", { what: "journal's epoch", from: this.#epoch, to: epoch });
    if (seq > this.#last)
      throw new WharfError("conflict", { what: "journal's newest record", from: String(this.#last), to: String(seq) });
    if (seq <= this.#acked) return;
    this.#acked = seq;
    this.#records = this.#records.slice(seq + 1 - this.#first);
    this.#first = seq + 1;
  }

  #check(after: number): void {
    if (after < this.#first - 1) throw new WharfError("not_found", { what: "journal record", id: String(after + 1) });
    if (after > this.#last)
      throw new WharfError("conflict", {
        what: "journal's newest record",
        from: String(this.#last),
        to: String(after),
      });
  }

  async #write(life: number): Promise<void> {
    while (this.#accepted.length > 0) {
      const ms = this.#writeMs();
      if (ms > 0) await sleep(ms);
      else await Promise.resolve();
      if (life !== this.#life) return;
      for (const { entry, onReadable } of this.#accepted.splice(0)) {
        this.#last += 1;
        this.#records.push({ seq: this.#last, at: new Date().toISOString(), ...entry });
        onReadable?.();
      }
      this.#readable.ring();
    }
    this.#writing = undefined;
  }
}
