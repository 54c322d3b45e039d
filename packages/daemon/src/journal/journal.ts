import { unlink } from "node:fs/promises";
import { WharfError, type EventData, type EventType, type JournalRecord, type JournalState } from "@wharf/contract";
import { isDiskFull, ignoreSystemErrors } from "../file-system/files.ts";
import { Notifier } from "../std/notifier.ts";
import { JournalCursor } from "./cursor.ts";
import { lineOverheadBytes, toRecordJson } from "./line.ts";
import { recoverJournal, writeAcknowledged, type RecoveredJournal } from "./recovery.ts";
import { getOffset, type JournalSegment } from "./segment.ts";
import { SegmentWriter, type PendingRecord } from "./writer.ts";

/**
 * A record goes through these states: *waiting* (append was called; there is no room) → *accepted*
 * (the record has a sequence and is in memory) → *readable* (its group is fsynced) → *acknowledged*
 * (it is safe elsewhere) → trimmed with its segment. There is room while the unacknowledged bytes
 * are below the capacity, little is unwritten, and the disk accepts writes. No record is dropped:
 * without room the appender waits, and so does the agent behind it.
 *
 * A record can be *prepared* between waiting and accepted: its appender learns the record's place,
 * and nothing else is accepted until the appender has finished its preparation.
 */

const capacityBytes = 64 * 1024 * 1024; // the limit of unacknowledged bytes
const segmentBytes = 4 * 1024 * 1024;
const maxUnwrittenBytes = 1024 * 1024; // the limit of bytes that are in memory only
const groupBytes = 256 * 1024; // a group of this size is fsynced at once
const maxRecordCharacters = 8 * 1024 * 1024; // readers accept lines of 16 MiB

export interface JournalOptions {
  folder: string;
  capacityBytes?: number;
  segmentBytes?: number;
}

export interface JournalEntry {
  run_id: string;
  type: EventType;
  data: EventData;
}

/** A record's place is the epoch of the journal and the record's sequence in it. */
export interface JournalPlace {
  readonly epoch: string;
  readonly seq: number;
}

type Prepare = (place: JournalPlace) => Promise<void>;

interface PendingAppend {
  readonly fieldsJson: string;
  readonly prepare: Prepare | undefined;
  readonly accepted: Promise<void>;
  readonly accept: () => void;
  readonly refuse: (reason: unknown) => void;
}

export async function openJournal(options: JournalOptions): Promise<Journal> {
  return new Journal(options, await recoverJournal(options.folder));
}

export class Journal implements AsyncDisposable {
  readonly #folder: string;
  readonly #epoch: string;
  readonly #capacity: number;
  readonly #segmentBytes: number;
  readonly #segments: JournalSegment[];
  readonly #writer: SegmentWriter;
  readonly #waiting: PendingAppend[] = [];
  readonly #unwritten: (PendingRecord & { readonly bytes: number })[] = [];
  readonly #readable = new Notifier();
  readonly #closing = new AbortController();
  #unwrittenBytes = 0;
  #accepted: number;
  #last: number;
  #acked: number;
  #ackedPosition: number;
  #writing: Promise<void> | undefined;
  #isPreparing = false;
  #ackedOnDisk: number;
  /** These segments are acknowledged but not yet deleted. */
  readonly #trimmed: JournalSegment[] = [];
  #acknowledging: Promise<void> = Promise.resolve();

  constructor(options: JournalOptions, recovered: RecoveredJournal) {
    this.#folder = options.folder;
    this.#capacity = options.capacityBytes ?? capacityBytes;
    this.#segmentBytes = options.segmentBytes ?? segmentBytes;
    this.#epoch = recovered.epoch;
    this.#segments = recovered.segments;
    this.#last = this.#accepted = recovered.last;
    this.#acked = this.#ackedOnDisk = recovered.acked;
    this.#writer = new SegmentWriter({
      folder: options.folder,
      segmentBytes: this.#segmentBytes,
      segments: this.#segments,
    });
    this.#ackedPosition = this.#getPositionAfter(this.#acked);
  }

  /** Resolves when the record is accepted, in the order of the calls. */
  append(entry: JournalEntry): Promise<void> {
    return this.#enqueue(entry, undefined);
  }

  /**
   * Works like `append`, but first calls `prepare` with the record's place: all earlier records are
   * readable, and no other record takes the place. If `prepare` fails, the record is not accepted.
   */
  appendPrepared(entry: JournalEntry, prepare: Prepare): Promise<void> {
    return this.#enqueue(entry, prepare);
  }

  /** Resolves when everything appended earlier is readable. */
  async flush(): Promise<void> {
    // A refused record affects only its own appender.
    await this.#waiting.at(-1)?.accepted.catch(() => this.#closing.signal.throwIfAborted());
    await this.#flushAccepted();
  }

  /**
   * Yields readable records after the cursor, from disk. Throws at once for a cursor that was
   * trimmed, or is beyond the end.
   */
  read({ after: afterSequence, limit = Infinity }: { after: number; limit?: number }): AsyncIterable<JournalRecord> {
    return readRecords(limit, this.#createCursor(afterSequence));
  }

  /**
   * Works like `read`, then yields every new record once it is readable, until the signal or the
   * journal's end.
   */
  follow({ after: afterSequence, signal }: { after: number; signal: AbortSignal }): AsyncIterable<JournalRecord> {
    return this.#follow(this.#createCursor(afterSequence), AbortSignal.any([signal, this.#closing.signal]));
  }

  /** Confirms that records up to `seq` are safe elsewhere, and deletes their complete segments. */
  async ack({ epoch, seq }: { epoch: string; seq: number }): Promise<void> {
    if (epoch !== this.#epoch)
      throw new WharfError("journal_epoch_changed", { current: this.#epoch, requested: epoch });
    if (seq > this.#last) throw new WharfError("journal_record_not_written", { seq, last: this.#last });
    // A repeated acknowledgement removes the segments that an earlier one could not.
    if (seq <= this.#acked) return await this.#queueTrim();
    this.#acked = seq;
    this.#ackedPosition = this.#getPositionAfter(seq);
    const firstRetainedIndex = this.#segments.findLastIndex(({ first }) => first <= seq + 1);
    const trimmed = this.#segments.splice(0, Math.min(firstRetainedIndex, this.#segments.length - 1));
    this.#trimmed.push(...trimmed);
    this.#acceptPending();
    await this.#queueTrim();
  }

  state(): JournalState {
    return { epoch: this.#epoch, first: this.#segments[0]?.first ?? 1, last: this.#last, acked: this.#acked };
  }

  /** Returns the disk's error while it prevents the journal from accepting records. */
  getFault(): Error | undefined {
    return this.#writer.fault;
  }

  /** Ends appending and following. Records that were accepted but not flushed may be lost. */
  async close(): Promise<void> {
    this.#closing.abort(new WharfError("runner_stopping", {}));
    for (const { refuse } of this.#waiting.splice(0)) refuse(this.#closing.signal.reason);
    await this.#writing;
    await this.#acknowledging;
    await this.#writer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #hasRoom(): boolean {
    const newest = this.#segments.at(-1);
    const unacknowledged = (newest ? newest.base + newest.bytes : 0) - this.#ackedPosition + this.#unwrittenBytes;
    return unacknowledged < this.#capacity && this.#unwrittenBytes < maxUnwrittenBytes && !this.#writer.fault;
  }

  #enqueue(entry: JournalEntry, prepare: Prepare | undefined): Promise<void> {
    const fieldsJson = JSON.stringify({
      at: new Date().toISOString(),
      run_id: entry.run_id,
      type: entry.type,
      data: entry.data,
    });
    if (fieldsJson.length > maxRecordCharacters)
      return Promise.reject(new WharfError("body_too_large", { limit_bytes: maxRecordCharacters }));
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    const { promise: accepted, resolve: accept, reject: refuse } = Promise.withResolvers<void>();
    this.#waiting.push({ fieldsJson, prepare, accepted, accept, refuse });
    this.#acceptPending();
    return accepted;
  }

  #acceptPending(): void {
    while (!this.#isPreparing && this.#hasRoom()) {
      const next = this.#waiting[0];
      if (!next) break;
      if (next.prepare) void this.#acceptPrepared(next, next.prepare);
      else this.#acceptNext(next);
    }
    if (this.#unwritten.length > 0) this.#writing ??= this.#writeGroups();
  }

  #acceptNext(next: PendingAppend): void {
    this.#waiting.shift();
    this.#accepted += 1;
    const json = toRecordJson(this.#accepted, next.fieldsJson);
    const bytes = Buffer.byteLength(json) + lineOverheadBytes;
    this.#unwritten.push({ seq: this.#accepted, json, bytes });
    this.#unwrittenBytes += bytes;
    next.accept();
  }

  async #acceptPrepared(next: PendingAppend, prepare: Prepare): Promise<void> {
    this.#isPreparing = true;
    try {
      await this.#flushAccepted();
      await prepare({ epoch: this.#epoch, seq: this.#accepted + 1 });
      // Closing empties the queue.
      if (this.#waiting[0] === next) this.#acceptNext(next);
    } catch (error) {
      if (this.#waiting[0] === next) this.#waiting.shift();
      next.refuse(error);
    } finally {
      this.#isPreparing = false;
      this.#acceptPending();
    }
  }

  async #flushAccepted(): Promise<void> {
    const target = this.#accepted;
    while (this.#last < target) await this.#readable.wait(this.#closing.signal);
  }

  /** Writes one group at a time; records that arrive meanwhile go into the next group. */
  async #writeGroups(): Promise<void> {
    // Appends of the same tick share the first group.
    await Promise.resolve();
    try {
      for (let group = this.#getNextGroup(); group.length > 0; group = this.#getNextGroup()) {
        await this.#writer.write(group, { onFault: () => this.#readable.notify(), signal: this.#closing.signal });
        this.#unwritten.splice(0, group.length);
        this.#unwrittenBytes -= group.reduce((sum, { bytes }) => sum + bytes, 0);
        this.#last += group.length;
        this.#readable.notify();
        this.#acceptPending();
      }
    } catch {
      // Only closing ends the retries; records not flushed by then are lost.
    } finally {
      this.#writing = undefined;
    }
  }

  #getNextGroup(): (PendingRecord & { readonly bytes: number })[] {
    const newest = this.#segments.at(-1);
    const filled = newest && newest.bytes < this.#segmentBytes ? newest.bytes : 0;
    const limit = Math.min(groupBytes, this.#segmentBytes - filled);
    let bytes = 0;
    const end = this.#unwritten.findIndex((record) => (bytes += record.bytes) >= limit);
    return end < 0 ? this.#unwritten.slice() : this.#unwritten.slice(0, end + 1);
  }

  async *#follow(source: JournalCursor, signal: AbortSignal): AsyncIterable<JournalRecord> {
    await using cursor = source;
    while (!signal.aborted) {
      if (cursor.ready) yield* await cursor.readNext();
      else await this.#readable.wait(signal).catch(() => undefined);
    }
  }

  #createCursor(afterSequence: number): JournalCursor {
    const oldest = (this.#segments[0]?.first ?? 1) - 1;
    if (afterSequence < oldest) throw new WharfError("journal_record_not_found", { seq: afterSequence + 1 });
    if (afterSequence > this.#last)
      throw new WharfError("journal_record_not_written", { seq: afterSequence, last: this.#last });
    return new JournalCursor({ segments: this.#segments, last: () => this.#last }, afterSequence);
  }

  /** Returns the start of the record after this one, or an offset slightly earlier. */
  #getPositionAfter(seq: number): number {
    const segment = this.#segments.findLast(({ first }) => first <= seq + 1);
    if (!segment) return 0;
    return segment.base + (seq === this.#last ? segment.bytes : getOffset(segment, seq + 1));
  }

  /** Queues one trim after the other. A failure goes to its caller, and the next trim retries. */
  #queueTrim(): Promise<void> {
    const trimming = this.#acknowledging.then(() => this.#trim());
    this.#acknowledging = trimming.catch(() => undefined);
    return trimming;
  }

  async #trim(): Promise<void> {
    for (let oldest = this.#trimmed[0]; oldest !== undefined; oldest = this.#trimmed[0]) {
      await unlink(oldest.path).catch(ignoreSystemErrors("ENOENT"));
      this.#trimmed.shift();
    }
    const seq = this.#acked;
    if (seq === this.#ackedOnDisk) return;
    // On a full disk the deletions above are what helps; the names of the remaining segments carry
    // the same information as this file.
    await writeAcknowledged(this.#folder, { epoch: this.#epoch, seq }).catch(ignoreFullDisk);
    this.#ackedOnDisk = seq;
  }
}

async function* readRecords(limit: number, source: JournalCursor): AsyncIterable<JournalRecord> {
  await using cursor = source;
  for (let remainingCount = limit; cursor.ready && remainingCount > 0;) {
    for (const record of await cursor.readNext()) {
      if (remainingCount <= 0) return;
      remainingCount -= 1;
      yield record;
    }
  }
}

function ignoreFullDisk(error: unknown): void {
  if (!isDiskFull(error)) throw error;
}
