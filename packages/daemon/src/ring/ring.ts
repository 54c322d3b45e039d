import { open, rm, unlink, type FileHandle } from "node:fs/promises";
import { isSystemError } from "../file-system/files.ts";
import { ensureStateFolder } from "../file-system/state-file.ts";
import { Notifier } from "../std/notifier.ts";
import { RingCursor } from "./cursor.ts";
import { EntryIndex } from "./entry-index.ts";
import { getEntryEnd, headerBytes, createHeader, maxDataBytes, getDataSpan, type RingEntry } from "./ring-entry.ts";
import { RingTail } from "./ring-tail.ts";
import { createSegment, restoreSegments, type RingSegment } from "./segment.ts";

/**
 * A ring keeps output up to a limit, on disk, under absolute offsets. The oldest entries make room
 * for new ones.
 *
 * An entry is in memory at once and in a file soon after. Appending never waits; the caller checks
 * `isBehind` and awaits `waitForDisk()` if the disk cannot keep up. Appended entries survive the
 * daemon's death; a loss of power may lose the last seconds. A failing disk loses the entries it
 * did not accept, which readers see as a gap, and never affects the program that prints.
 */

export interface RingOptions {
  readonly folder: string;
  readonly maxEntries: number;
  /** Limits the entries' data. */
  readonly maxBytes: number;
  /** Called once when the disk does not accept appended entries. */
  readonly onFault?: (error: unknown) => void;
}

/** A full ring consists of this many files. One more is on disk while the oldest is emptied. */
const segmentCount = 8;
const tailBytes = 512 * 1024;
const maxBehindBytes = 4 * 1024 * 1024;
const batchEntries = 256;
/** Entries wait this long to be written together, unless there are many. */
const gatherMs = 20;
const gatherBytes = 1024 * 1024;

export class Ring implements AsyncDisposable {
  /** Notifies when there is something to read, or when the ring is complete. */
  readonly changed = new Notifier();
  readonly #options: RingOptions;
  readonly #index = new EntryIndex();
  readonly #tail = new RingTail();
  readonly #diskCaughtUp = new Notifier();
  #segments: RingSegment[] = [];
  #end = 0;
  #sequence = 0;
  /** Entries from this offset on go to a separate file. */
  #clearedOffset = 0;
  #pending: RingEntry[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #flushNow: (() => void) | undefined;
  #handle: { readonly segment: RingSegment; readonly file: FileHandle } | undefined;
  #hasFault = false;
  #closed = false;
  #complete = false;

  private constructor(options: RingOptions) {
    this.#options = options;
  }

  /** Restores the entries on disk; `damaged` reports whether some of them were lost. */
  static async open(options: RingOptions): Promise<{ ring: Ring; damaged: boolean }> {
    await ensureStateFolder(options.folder);
    const ring = new Ring(options);
    const { segments, damaged } = await restoreSegments(options.folder, {
      longest: options.maxBytes / segmentCount + 2 * (maxDataBytes + headerBytes) + options.maxEntries * headerBytes,
      onEntry: (entry) => {
        ring.#index.push(entry.offset, getDataSpan(entry.data));
        ring.#sequence = entry.sequence + 1;
        ring.#end = getEntryEnd(entry);
      },
    });
    ring.#segments = segments;
    ring.#evictOldest();
    return { ring, damaged };
  }

  /** Returns the start of the oldest entry in the ring. */
  get first(): number {
    return this.#index.first ?? this.#end;
  }
  /** Returns the offset after the newest entry. */
  get end(): number {
    return this.#end;
  }
  get entries(): number {
    return this.#index.count;
  }
  get bytes(): number {
    return this.#index.bytes;
  }
  /** Returns the bytes on disk and waiting to be written. */
  get size(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, this.#pendingBytes);
  }
  /** Returns the number of entries that were dropped. */
  get dropped(): number {
    return this.#sequence - this.#index.count;
  }
  get limits(): { maxEntries: number; maxBytes: number } {
    return this.#options;
  }
  /** No more entries will be appended. */
  get complete(): boolean {
    return this.#complete;
  }
  /** The disk cannot keep up: more data would only fill memory. */
  get isBehind(): boolean {
    return this.#pendingBytes > maxBehindBytes;
  }

  /** Appends data, split into several entries if too long. The ring owns the buffer from now on. */
  append(type: number, data: Buffer, time = Date.now()): void {
    if (this.#closed || this.#complete) return;
    for (let start = 0; start === 0 || start < data.length; start += maxDataBytes) {
      const piece = data.length <= maxDataBytes ? data : data.subarray(start, start + maxDataBytes);
      const entry: RingEntry = { type, offset: this.#end, sequence: this.#sequence++, time, data: piece };
      this.#end = getEntryEnd(entry);
      this.#index.push(entry.offset, getDataSpan(piece));
      this.#tail.push(entry);
      this.#pending.push(entry);
      this.#pendingBytes += piece.length + headerBytes;
    }
    this.#evictOldest();
    this.#writing ??= this.#writePending();
    if (this.#pendingBytes >= gatherBytes) this.#flushNow?.();
    this.changed.notify();
  }

  /** Resolves when the disk has caught up. */
  async waitForDisk(): Promise<void> {
    while (this.isBehind) await this.#diskCaughtUp.wait();
  }

  /** Marks the ring complete: readers that reach the end are done. */
  finish(): void {
    this.#complete = true;
    this.changed.notify();
  }

  /** Creates a reader at any offset; each reads at its own pace and slows no other. */
  createCursor(offset: number): RingCursor {
    const source = { segments: () => this.#segments, tail: this.#tail };
    return new RingCursor(this, source, offset);
  }

  /** Drops all entries, also on disk, and starts again with this one. Offsets continue. */
  async clear(type: number, data: Buffer): Promise<void> {
    this.#clearedOffset = this.#end;
    this.#index.clear();
    this.append(type, data);
    await this.flush();
  }

  /**
   * Drops the oldest file's entries, unless the file is being written to. Returns how many bytes of
   * disk that frees.
   */
  dropOldest(): number {
    const oldest = this.#segments[0];
    if (!oldest || oldest === this.#handle?.segment) return 0;
    while ((this.#index.first ?? Infinity) < oldest.end) this.#index.shift();
    this.#dropSegments();
    return oldest.size;
  }

  /** Resolves when everything appended so far was passed to the disk. */
  async flush(): Promise<void> {
    while (this.#writing) {
      this.#flushNow?.();
      await this.#writing;
    }
  }

  /** Works like `flush`, and also protects the entries from a loss of power. */
  async save(): Promise<void> {
    await this.flush();
    await this.#handle?.file.sync().catch((error: unknown) => this.#reportFault(error));
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

  #evictOldest(): void {
    const { maxEntries, maxBytes } = this.#options;
    while (this.#index.count > 1 && (this.#index.count > maxEntries || this.#index.bytes > maxBytes))
      this.#index.shift();
    if ((this.#segments[0]?.end ?? Infinity) <= this.first) this.#dropSegments();
  }

  /** Removes files without kept entries, except the one being written to. */
  #dropSegments(): void {
    const emptySegments = this.#segments.filter(
      (segment) => segment.end <= this.first && segment !== this.#handle?.segment,
    );
    if (emptySegments.length === 0) return;
    this.#segments = this.#segments.filter((segment) => !emptySegments.includes(segment));
    for (const { path } of emptySegments)
      unlink(path).catch((error: unknown) => isSystemError(error, "ENOENT") || this.#reportFault(error));
  }

  async #writePending(): Promise<void> {
    while (this.#pending.length > 0) {
      await this.#waitForBatch();
      const batch = this.#pending.splice(0, batchEntries);
      const unwritten = [...batch];
      try {
        while (unwritten.length > 0) await this.#writeToSegment(unwritten);
        this.#hasFault = false;
      } catch (error) {
        await this.#abandonFile();
        this.#reportFault(error);
        this.#pendingBytes -= getBytesOnDisk(unwritten);
      }
      this.#tail.trim(tailBytes, (batch.at(-1)?.sequence ?? 0) + 1);
      if (!this.isBehind) this.#diskCaughtUp.notify();
    }
    this.#writing = undefined;
  }

  async #waitForBatch(): Promise<void> {
    if (this.#pendingBytes >= gatherBytes) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, gatherMs);
      this.#flushNow = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#flushNow = undefined;
  }

  /** Writes as many of these entries as the segment takes and removes them from the array. */
  async #writeToSegment(unwritten: RingEntry[]): Promise<void> {
    const { segment, file } = await this.#getFile(unwritten[0]);
    const { maxBytes, maxEntries } = this.#options;
    const fitting: RingEntry[] = [];
    let size = segment.size;
    for (const entry of unwritten) {
      const isFull = size > maxBytes / segmentCount || segment.count + fitting.length >= maxEntries / segmentCount;
      if (isFull || this.#isCut(segment, entry)) break;
      fitting.push(entry);
      size += getBytesOnDisk([entry]);
    }
    await writeAll(
      file,
      fitting.flatMap((entry) => [createHeader(entry), entry.data]),
      segment.size,
    );
    // The bytes are pending until here and the segment's from here on: `size` counts them once.
    this.#pendingBytes -= size - segment.size;
    const last = fitting.at(-1);
    Object.assign(segment, { size, count: segment.count + fitting.length, ...(last && { end: getEntryEnd(last) }) });
    unwritten.splice(0, fitting.length);
  }

  async #getFile(entry: RingEntry | undefined): Promise<{ segment: RingSegment; file: FileHandle }> {
    const { folder, maxBytes, maxEntries } = this.#options;
    const current = this.#handle;
    if (current) {
      const { size, count } = current.segment;
      const hasRoom = size <= maxBytes / segmentCount && count < maxEntries / segmentCount;
      if (hasRoom && entry && !this.#isCut(current.segment, entry)) return current;
    }
    await this.#closeFile();
    const segment = createSegment(folder, entry?.offset ?? this.#end);
    const file = await open(segment.path, "w", 0o600);
    this.#segments.push(segment);
    this.#handle = { segment, file };
    this.#dropSegments();
    return this.#handle;
  }

  #isCut(segment: RingSegment, entry: RingEntry): boolean {
    return segment.start < this.#clearedOffset && entry.offset >= this.#clearedOffset;
  }

  /** Abandons the file after a failed write: bytes after its good entries are never read. */
  async #abandonFile(): Promise<void> {
    const segment = this.#handle?.segment;
    await this.#closeFile();
    if (segment?.count !== 0) return;
    this.#segments = this.#segments.filter((candidate) => candidate !== segment);
    await unlink(segment.path).catch(() => undefined);
  }

  async #closeFile(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.file.close().catch((error: unknown) => this.#reportFault(error));
  }

  #reportFault(error: unknown): void {
    if (this.#hasFault) return;
    this.#hasFault = true;
    this.#options.onFault?.(error);
  }
}

const getBytesOnDisk = (entries: readonly RingEntry[]): number =>
  entries.reduce((sum, { data }) => sum + headerBytes + data.length, 0);

/**
 * Writes at an explicit position, so that the remains of a failed write are overwritten or come
 * after the good entries.
 */
async function writeAll(file: FileHandle, pieces: Buffer[], position: number): Promise<void> {
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await file.writev(pieces, position);
  if (bytesWritten === total) return;
  const remainder = Buffer.concat(pieces).subarray(bytesWritten);
  for (let offset = 0; offset < remainder.length;) {
    offset += (await file.write(remainder, offset, remainder.length - offset, position + bytesWritten + offset))
      .bytesWritten;
  }
}
