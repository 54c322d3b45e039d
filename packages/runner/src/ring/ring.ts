import { open, rm, unlink, type FileHandle } from "node:fs/promises";
import { Bell } from "../support/bell.ts";
import { isSystemError } from "../support/files.ts";
import { ensureStateFolder } from "../support/state-file.ts";
import { RingCursor } from "./cursor.ts";
import { EntryIndex } from "./entry-index.ts";
import { endOf, HEADER_BYTES, headerOf, MAX_DATA_BYTES, spanOf, type RingEntry } from "./record.ts";
import { newSegment, restoreSegments, type Segment } from "./segment.ts";
import { Tail } from "./tail.ts";

/**
 * Output that is kept up to a limit, on disk, under absolute offsets. The oldest entries make room for new ones.
 *
 * An entry is in memory at once and in a file soon after: whoever appends waits for nothing, looks at `isBehind` and
 * waits for `caughtUp()` where the disk does not follow. What was appended survives the daemon's death; a loss of power
 * may take the last seconds. A disk that fails costs the entries it did not take, which readers are told of as a gap,
 * and never the program that prints.
 */

export interface RingOptions {
  readonly folder: string;
  readonly maxEntries: number;
  /** Of the entries' data. */
  readonly maxBytes: number;
  /** Told once when the disk does not take what is appended. */
  readonly onFault?: (error: unknown) => void;
}

/** Files a full ring is made of. One more is on disk while the oldest is emptied. */
const SEGMENTS = 8;
const TAIL_BYTES = 512 * 1024;
const BEHIND_BYTES = 4 * 1024 * 1024;
const BATCH_ENTRIES = 256;
/** Entries wait so long for others to be written with, unless there are many. */
const GATHER_MS = 20;
const GATHER_BYTES = 1024 * 1024;

export class Ring implements AsyncDisposable {
  /** Rings when there is something to read, or nothing more to come. */
  readonly changed = new Bell();
  readonly #options: RingOptions;
  readonly #index = new EntryIndex();
  readonly #tail = new Tail();
  readonly #caughtUp = new Bell();
  #segments: Segment[] = [];
  #end = 0;
  #sequence = 0;
  /** Entries from this offset on go to a file of their own. */
  #cutAt = 0;
  #waiting: RingEntry[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #hurry: (() => void) | undefined;
  #handle: { readonly segment: Segment; readonly file: FileHandle } | undefined;
  #faulty = false;
  #closed = false;
  #complete = false;

  private constructor(options: RingOptions) {
    this.#options = options;
  }

  /** What is on disk is there again; `damaged` says whether some of it was not. */
  static async open(options: RingOptions): Promise<{ ring: Ring; damaged: boolean }> {
    await ensureStateFolder(options.folder);
    const ring = new Ring(options);
    const { segments, damaged } = await restoreSegments(options.folder, {
      longest: options.maxBytes / SEGMENTS + 2 * (MAX_DATA_BYTES + HEADER_BYTES) + options.maxEntries * HEADER_BYTES,
      onEntry: (entry) => {
        ring.#index.push(entry.offset, spanOf(entry.data));
        ring.#sequence = entry.sequence + 1;
        ring.#end = endOf(entry);
      },
    });
    ring.#segments = segments;
    ring.#makeRoom();
    return { ring, damaged };
  }

  /** Where the oldest entry that is kept begins. */
  get first(): number {
    return this.#index.first ?? this.#end;
  }
  /** Behind the newest. */
  get end(): number {
    return this.#end;
  }
  get entries(): number {
    return this.#index.count;
  }
  get bytes(): number {
    return this.#index.bytes;
  }
  /** Bytes on disk, and on their way there. */
  get size(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, this.#waitingBytes);
  }
  /** Entries that were here and are no more. */
  get dropped(): number {
    return this.#sequence - this.#index.count;
  }
  get limits(): { maxEntries: number; maxBytes: number } {
    return this.#options;
  }
  /** Whether nothing will be appended any more. */
  get complete(): boolean {
    return this.#complete;
  }
  /** Whether the disk does not follow: more now would only fill memory. */
  get isBehind(): boolean {
    return this.#waitingBytes > BEHIND_BYTES;
  }

  /** Data longer than an entry may be becomes several. The buffer is the ring's from now on. */
  append(type: number, data: Buffer, time = Date.now()): void {
    if (this.#closed || this.#complete) return;
    for (let at = 0; at === 0 || at < data.length; at += MAX_DATA_BYTES) {
      const piece = data.length <= MAX_DATA_BYTES ? data : data.subarray(at, at + MAX_DATA_BYTES);
      const entry: RingEntry = { type, offset: this.#end, sequence: this.#sequence++, time, data: piece };
      this.#end = endOf(entry);
      this.#index.push(entry.offset, spanOf(piece));
      this.#tail.push(entry);
      this.#waiting.push(entry);
      this.#waitingBytes += piece.length + HEADER_BYTES;
    }
    this.#makeRoom();
    this.#writing ??= this.#write();
    if (this.#waitingBytes >= GATHER_BYTES) this.#hurry?.();
    this.changed.ring();
  }

  /** Resolves when the disk follows again. */
  async caughtUp(): Promise<void> {
    while (this.isBehind) await this.#caughtUp.wait();
  }

  /** Nothing will be appended any more: readers that come to the end are done. */
  finish(): void {
    this.#complete = true;
    this.changed.ring();
  }

  /** Readers start where they like; each reads at its own pace and slows nobody. */
  cursor(from: number): RingCursor {
    const owner = { segments: () => this.#segments, tail: this.#tail };
    return new RingCursor(this, owner, from);
  }

  /** Forgets all entries, on disk too, and begins again with this one. Offsets go on. */
  async clear(type: number, data: Buffer): Promise<void> {
    this.#cutAt = this.#end;
    this.#index.clear();
    this.append(type, data);
    await this.flush();
  }

  /** Forgets the oldest file's entries, unless the file is being written to. Returns how many bytes of disk that frees. */
  dropOldest(): number {
    const oldest = this.#segments[0];
    if (!oldest || oldest === this.#handle?.segment) return 0;
    while ((this.#index.first ?? Infinity) < oldest.end) this.#index.shift();
    this.#dropSegments();
    return oldest.size;
  }

  /** Resolves when everything appended so far was handed to the disk. */
  async flush(): Promise<void> {
    while (this.#writing) {
      this.#hurry?.();
      await this.#writing;
    }
  }

  /** As `flush`, and no loss of power takes it back. */
  async save(): Promise<void> {
    await this.flush();
    await this.#handle?.file.sync().catch((error: unknown) => this.#fault(error));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.finish();
    this.#closed = true;
    await this.save();
    await this.#closeFile();
  }

  /** Closes the ring and removes its folder. */
  async remove(): Promise<void> {
    await this.close();
    this.#index.clear();
    this.#tail.clear();
    this.#segments = [];
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #makeRoom(): void {
    const { maxEntries, maxBytes } = this.#options;
    while (this.#index.count > 1 && (this.#index.count > maxEntries || this.#index.bytes > maxBytes))
      this.#index.shift();
    if ((this.#segments[0]?.end ?? Infinity) <= this.first) this.#dropSegments();
  }

  /** Removes the files that hold nothing any more, but not the one that is written to. */
  #dropSegments(): void {
    const gone = this.#segments.filter((segment) => segment.end <= this.first && segment !== this.#handle?.segment);
    if (gone.length === 0) return;
    this.#segments = this.#segments.filter((segment) => !gone.includes(segment));
    for (const { path } of gone)
      unlink(path).catch((error: unknown) => isSystemError(error, "ENOENT") || this.#fault(error));
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      const batch = this.#waiting.splice(0, BATCH_ENTRIES);
      try {
        await this.#writeBatch(batch);
        this.#faulty = false;
      } catch (error) {
        await this.#leaveFile();
        this.#fault(error);
      }
      for (const { data } of batch) this.#waitingBytes -= data.length + HEADER_BYTES;
      this.#tail.trim(TAIL_BYTES, (batch.at(-1)?.sequence ?? 0) + 1);
      if (!this.isBehind) this.#caughtUp.ring();
    }
    this.#writing = undefined;
  }

  async #gather(): Promise<void> {
    if (this.#waitingBytes >= GATHER_BYTES) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHER_MS);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  async #writeBatch(batch: readonly RingEntry[]): Promise<void> {
    let at = 0;
    while (at < batch.length) {
      const { segment, file } = await this.#fileFor(batch[at]);
      const pieces: Buffer[] = [];
      const { maxBytes, maxEntries } = this.#options;
      let { size, count, end } = segment;
      for (let entry = batch[at]; entry; entry = batch[++at]) {
        if (size > maxBytes / SEGMENTS || count >= maxEntries / SEGMENTS || this.#isCut(segment, entry)) break;
        pieces.push(headerOf(entry), entry.data);
        size += HEADER_BYTES + entry.data.length;
        count += 1;
        end = endOf(entry);
      }
      await writeAll(file, pieces, segment.size);
      Object.assign(segment, { size, count, end });
    }
  }

  async #fileFor(entry: RingEntry | undefined): Promise<{ segment: Segment; file: FileHandle }> {
    const { folder, maxBytes, maxEntries } = this.#options;
    const current = this.#handle;
    if (current) {
      const { size, count } = current.segment;
      const hasRoom = size <= maxBytes / SEGMENTS && count < maxEntries / SEGMENTS;
      if (hasRoom && entry && !this.#isCut(current.segment, entry)) return current;
    }
    await this.#closeFile();
    const segment = newSegment(folder, entry?.offset ?? this.#end);
    const file = await open(segment.path, "w", 0o600);
    this.#segments.push(segment);
    this.#handle = { segment, file };
    this.#dropSegments();
    return this.#handle;
  }

  #isCut(segment: Segment, entry: RingEntry): boolean {
    return segment.start < this.#cutAt && entry.offset >= this.#cutAt;
  }

  /** After a write that failed: what is behind the good entries of this file is never looked at. */
  async #leaveFile(): Promise<void> {
    const segment = this.#handle?.segment;
    await this.#closeFile();
    if (segment?.count !== 0) return;
    this.#segments = this.#segments.filter((other) => other !== segment);
    await unlink(segment.path).catch(() => undefined);
  }

  async #closeFile(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.file.close().catch((error: unknown) => this.#fault(error));
  }

  #fault(error: unknown): void {
    if (this.#faulty) return;
    this.#faulty = true;
    this.#options.onFault?.(error);
  }
}

/** At a position of its own, so that what a failed write left behind is overwritten or lies behind the good entries. */
async function writeAll(file: FileHandle, pieces: Buffer[], position: number): Promise<void> {
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await file.writev(pieces, position);
  if (bytesWritten === total) return;
  const rest = Buffer.concat(pieces).subarray(bytesWritten);
  for (let at = 0; at < rest.length;) {
    at += (await file.write(rest, at, rest.length - at, position + bytesWritten + at)).bytesWritten;
  }
}
