import type { Notifier } from "../std/notifier.ts";
import { headerBytes, getEntryEnd, parseEntry, maxDataBytes, getDataSpan, type RingEntry } from "./ring-entry.ts";
import type { RingTail } from "./ring-tail.ts";
import { readSegment, type RingSegment } from "./segment.ts";

/** RingGap marks data between two offsets that no longer exists. */
export interface RingGap {
  readonly from: number;
  readonly to: number;
}
export type RingPiece = { readonly entry: RingEntry } | { readonly gap: RingGap };

/** The part of a ring that its readers see. */
interface ReadableRing {
  /** The offset of the oldest data that is kept. */
  readonly first: number;
  /** The offset after the newest data. */
  readonly end: number;
  readonly complete: boolean;
  readonly changed: Notifier;
}

interface RingSource {
  readonly segments: () => readonly RingSegment[];
  readonly tail: RingTail;
}

/** Each read from a file has this size: enough for the longest entry. */
const readBytes = 4 * (maxDataBytes + headerBytes);

/** RingCursor is a reader's position in a ring. The cursor holds no resources between reads. */
export class RingCursor {
  readonly #ring: ReadableRing;
  readonly #source: RingSource;
  #position: number;
  /**
   * The next entry begins at this position of the file; the cursor searches it again if unknown.
   */
  #filePosition: { readonly segment: RingSegment; readonly position: number } | undefined;

  constructor(ring: ReadableRing, source: RingSource, offset: number) {
    this.#ring = ring;
    this.#source = source;
    // No data exists beyond the end: a reader that asks for it waits there.
    this.#position = Math.min(offset, ring.end);
  }

  /** Returns the offset that is read next. */
  get position(): number {
    return this.#position;
  }

  /** The next read would have to skip overwritten data. */
  get isOvertaken(): boolean {
    return this.#position < this.#ring.first;
  }

  /** Returns the available entries, about `bytes` bytes. Returns none at the end. */
  async readNext(bytes = readBytes): Promise<RingPiece[]> {
    for (;;) {
      const { first, end } = this.#ring;
      if (this.#position < first) return [this.#skipTo(first)];
      if (this.#position >= end) return [];
      const { tail } = this.#source;
      if (this.#position >= (tail.first ?? end)) return this.#toPieces(tail.getEntries(this.#position, bytes));
      const pieces = await this.#readFromDisk(bytes);
      if (pieces) return pieces;
    }
  }

  /** Works like `readNext`, but waits at the end. Returns none when the ring is complete. */
  async waitForNext(signal: AbortSignal, bytes?: number): Promise<RingPiece[]> {
    for (;;) {
      const complete = this.#ring.complete;
      const pieces = await this.readNext(bytes);
      if (pieces.length > 0 || complete) return pieces;
      signal.throwIfAborted();
      if (this.#position >= this.#ring.end && !this.#ring.complete) await this.#ring.changed.wait(signal);
    }
  }

  /** Returns undefined if the ring advanced while the file was read: the caller then retries. */
  async #readFromDisk(bytes: number): Promise<RingPiece[] | undefined> {
    const position = this.#position;
    const segment = this.#source.segments().find(({ start, end }) => start <= position && position < end);
    if (!segment) return [this.#skipTo(this.#getNextOffset())];
    let place = this.#filePosition?.segment === segment ? this.#filePosition.position : 0;
    for (;;) {
      const chunk = await readSegment(segment, { position: place, bytes: readBytes });
      if (this.#position < this.#ring.first) return undefined;
      if (!chunk) return [this.#skipTo(segment.end)];
      const { entries, usedBytes, damaged } = this.#parseEntries(chunk, bytes);
      place += usedBytes;
      this.#filePosition = { segment, position: place };
      if (entries.length > 0) return this.#toPieces(entries);
      // The file differs from the data written to it.
      if (damaged || usedBytes === 0) return [this.#skipTo(segment.end)];
    }
  }

  /** Parses the entries of a chunk that this reader has not passed. */
  #parseEntries(chunk: Buffer, bytes: number): { entries: RingEntry[]; usedBytes: number; damaged: boolean } {
    const entries: RingEntry[] = [];
    let usedBytes = 0;
    for (let remainingBytes = bytes; remainingBytes > 0;) {
      const entry = parseEntry(chunk, usedBytes);
      if (!entry) break;
      if (entry === "damaged") return { entries, usedBytes, damaged: true };
      usedBytes += headerBytes + entry.data.length;
      if (getEntryEnd(entry) <= this.#position) continue;
      entries.push(entry);
      remainingBytes -= getDataSpan(entry.data);
    }
    return { entries, usedBytes, damaged: false };
  }

  #toPieces(entries: readonly RingEntry[]): RingPiece[] {
    const pieces: RingPiece[] = [];
    for (const entry of entries) {
      const end = getEntryEnd(entry);
      const skipped = this.#position - entry.offset;
      if (skipped < 0) pieces.push(this.#skipTo(entry.offset));
      pieces.push({ entry: skipped > 0 ? toPartialEntry(entry, skipped) : entry });
      this.#position = end;
    }
    return pieces;
  }

  #skipTo(offset: number): RingPiece {
    const gap = { from: this.#position, to: offset };
    this.#position = offset;
    this.#filePosition = undefined;
    return { gap };
  }

  #getNextOffset(): number {
    const starts = this.#source.segments().map(({ start }) => start);
    const laterStarts = [...starts, this.#source.tail.first ?? this.#ring.end].filter(
      (start) => start > this.#position,
    );
    return Math.min(this.#ring.end, ...laterStarts);
  }
}

/**
 * Returns the rest of an entry; if the cut falls into a character, the rest includes the whole
 * character.
 */
function toPartialEntry(entry: RingEntry, skipped: number): RingEntry {
  let start = skipped;
  while (start > 0 && skipped - start < 3 && ((entry.data[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  return { ...entry, offset: entry.offset + start, data: entry.data.subarray(start) };
}
