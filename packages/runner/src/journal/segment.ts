import { parseLine } from "./line.ts";

const lineFeedByte = 0x0a;
const markDistanceBytes = 16 * 1024; // bytes
const segmentSuffix = ".log";

/** Where a record begins in its segment. */
interface SegmentMark {
  readonly seq: number;
  readonly offset: number;
}

/** A file of the journal. Its name is the sequence of its first record, so that even an empty one tells the next sequence. */
export interface JournalSegment {
  readonly path: string;
  readonly first: number;
  /** Bytes of the segments before it, those that were trimmed since the start included. */
  readonly base: number;
  /** Fsynced bytes: only these are read. */
  bytes: number;
  /** Some of its records, in order, to begin reading near a sequence. */
  readonly marks: SegmentMark[];
}

export const getSegmentName = (first: number): string => String(first).padStart(16, "0") + segmentSuffix;

/** The first sequence of the segment with this name; nothing when it is not a segment's name. */
export function parseSequence(name: string): number | undefined {
  const first = /^\d{16}\.log$/.test(name) ? Number.parseInt(name, 10) : 0;
  return first > 0 ? first : undefined;
}

export function addMark(marks: SegmentMark[], mark: SegmentMark): void {
  const newest = marks.at(-1);
  if (!newest || mark.offset - newest.offset >= markDistanceBytes) marks.push(mark);
}

/** An offset at or before the record; the segment's beginning where nothing nearer is known. */
export function getOffset(segment: JournalSegment, seq: number): number {
  let low = 0;
  let high = segment.marks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segment.marks[middle]?.seq ?? Infinity) <= seq) low = middle + 1;
    else high = middle;
  }
  return segment.marks[low - 1]?.offset ?? 0;
}

export interface SegmentScan {
  /** Intact records from the beginning on, without a gap. */
  readonly count: number;
  /** Their bytes. */
  readonly length: number;
  readonly marks: SegmentMark[];
  /**
   * `torn`: what follows was being written when the process ended and was never readable.
   * `damaged`: a later group stands behind the bad record, so the record had been fsynced and was lost since.
   */
  readonly end: "clean" | "torn" | "damaged";
}

/** Reads a segment's bytes as far as they are intact. */
export function parseSegment(bytes: Buffer, first: number): SegmentScan {
  const marks: SegmentMark[] = [];
  let offset = 0;
  let seq = first;
  while (offset < bytes.length) {
    const end = bytes.indexOf(lineFeedByte, offset);
    const line = end < 0 ? undefined : parseLine(bytes.subarray(offset, end));
    if (line?.seq !== seq) break;
    addMark(marks, { seq, offset });
    seq += 1;
    offset = end + 1;
  }
  const intact = { count: seq - first, length: offset, marks };
  if (offset === bytes.length) return { ...intact, end: "clean" };
  return { ...intact, end: hasLaterGroup(bytes, offset, seq) ? "damaged" : "torn" };
}

function hasLaterGroup(bytes: Buffer, start: number, expected: number): boolean {
  let offset = start;
  for (;;) {
    const end = bytes.indexOf(lineFeedByte, offset);
    if (end < 0) return false;
    const line = parseLine(bytes.subarray(offset, end));
    if (line?.opensGroup && line.seq > expected) return true;
    offset = end + 1;
  }
}
