import { HEADER_BYTES, endOf, entryAt, MAX_DATA_BYTES, spanOf, type RingEntry } from "./record.ts";
import type { Ring } from "./ring.ts";
import { readSegment, type Segment } from "./segment.ts";
import type { Tail } from "./tail.ts";

/** What was between two offsets is not there any more. */
export interface RingGap {
  readonly from: number;
  readonly to: number;
}
export type RingPiece = { readonly entry: RingEntry } | { readonly gap: RingGap };

interface Owner {
  readonly segments: () => readonly Segment[];
  readonly tail: Tail;
}

/** Bytes read from a file at once: enough for the longest entry. */
const READ_BYTES = 4 * (MAX_DATA_BYTES + HEADER_BYTES);

/** A reader's place in a ring. It holds nothing that is not being read. */
export class RingCursor {
  readonly #ring: Ring;
  readonly #owner: Owner;
  #position: number;
  /** Where in which file the next entry begins; found anew where it is not known. */
  #place: { readonly segment: Segment; readonly position: number } | undefined;

  constructor(ring: Ring, owner: Owner, from: number) {
    this.#ring = ring;
    this.#owner = owner;
    // Nothing is beyond the end: who asks for it waits there.
    this.#position = Math.min(from, ring.end);
  }

  /** The offset that is read next. */
  get position(): number {
    return this.#position;
  }

  /** Whether it would have to skip what was overwritten. */
  get isOvertaken(): boolean {
    return this.#position < this.#ring.first;
  }

  /** What is there now, about so many bytes. Nothing at the end. */
  async next(bytes = READ_BYTES): Promise<RingPiece[]> {
    for (;;) {
      const { first, end } = this.#ring;
      if (this.#position < first) return [this.#skipTo(first)];
      if (this.#position >= end) return [];
      const { tail } = this.#owner;
      if (this.#position >= (tail.first ?? end)) return this.#take(tail.from(this.#position, bytes));
      const pieces = await this.#nextOnDisk(bytes);
      if (pieces) return pieces;
    }
  }

  /** As `next`; waits at the end. Nothing when the ring is complete. */
  async wait(signal: AbortSignal, bytes?: number): Promise<RingPiece[]> {
    for (;;) {
      const complete = this.#ring.complete;
      const pieces = await this.next(bytes);
      if (pieces.length > 0 || complete) return pieces;
      signal.throwIfAborted();
      if (this.#position >= this.#ring.end && !this.#ring.complete) await this.#ring.changed.wait(signal);
    }
  }

  /** Nothing where the ring moved on while the file was read: then it has to be looked at again. */
  async #nextOnDisk(bytes: number): Promise<RingPiece[] | undefined> {
    const position = this.#position;
    const segment = this.#owner.segments().find(({ start, end }) => start <= position && position < end);
    if (!segment) return [this.#skipTo(this.#whatComesNext())];
    let place = this.#place?.segment === segment ? this.#place.position : 0;
    for (;;) {
      const chunk = await readSegment(segment, { position: place, bytes: READ_BYTES });
      if (this.#position < this.#ring.first) return undefined;
      if (!chunk) return [this.#skipTo(segment.end)];
      const { entries, used, damaged } = this.#parse(chunk, bytes);
      place += used;
      this.#place = { segment, position: place };
      if (entries.length > 0) return this.#take(entries);
      // The file is not what was written to it.
      if (damaged || used === 0) return [this.#skipTo(segment.end)];
    }
  }

  /** The entries of a piece of a file that are not behind this reader. */
  #parse(chunk: Buffer, bytes: number): { entries: RingEntry[]; used: number; damaged: boolean } {
    const entries: RingEntry[] = [];
    let used = 0;
    for (let left = bytes; left > 0;) {
      const entry = entryAt(chunk, used);
      if (!entry) break;
      if (entry === "damaged") return { entries, used, damaged: true };
      used += HEADER_BYTES + entry.data.length;
      if (endOf(entry) <= this.#position) continue;
      entries.push(entry);
      left -= spanOf(entry.data);
    }
    return { entries, used, damaged: false };
  }

  #take(entries: readonly RingEntry[]): RingPiece[] {
    const pieces: RingPiece[] = [];
    for (const entry of entries) {
      const end = endOf(entry);
      const skipped = this.#position - entry.offset;
      if (skipped < 0) pieces.push(this.#skipTo(entry.offset));
      pieces.push({ entry: skipped > 0 ? partOf(entry, skipped) : entry });
      this.#position = end;
    }
    return pieces;
  }

  #skipTo(to: number): RingPiece {
    const gap = { from: this.#position, to };
    this.#position = to;
    this.#place = undefined;
    return { gap };
  }

  #whatComesNext(): number {
    const starts = this.#owner.segments().map(({ start }) => start);
    const later = [...starts, this.#owner.tail.first ?? this.#ring.end].filter((start) => start > this.#position);
    return Math.min(this.#ring.end, ...later);
  }
}

/** The rest of an entry; where the cut falls into a character, all of that character. */
function partOf(entry: RingEntry, skipped: number): RingEntry {
  let from = skipped;
  while (from > 0 && skipped - from < 3 && ((entry.data[from] ?? 0) & 0xc0) === 0x80) from -= 1;
  return { ...entry, offset: entry.offset + from, data: entry.data.subarray(from) };
}
