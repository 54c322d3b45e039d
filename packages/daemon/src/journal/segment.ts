import { parseLine } from "./line.ts";

const lineFeedByte = 0x0a;
const markDistanceBytes = 16 * 1024;
const segmentSuffix = ".log";

/** SegmentMark is the start of a record in its segment. */
interface SegmentMark {
  readonly seq: number;
  readonly offset: number;
}

/**
 * JournalSegment is a file of the journal. Its name is the sequence of its first record, so that
 * even an empty file shows the next sequence.
 */
export interface JournalSegment {
  readonly path: string;
  readonly first: number;
  /** The bytes of all earlier segments count, including those trimmed since the start. */
  readonly base: number;
  /** Readers read only these fsynced bytes. */
  bytes: number;
  /** Some of the records, in order, allow reading to start near a sequence. */
  readonly marks: SegmentMark[];
}

export const getSegmentName = (first: number): string => String(first).padStart(16, "0") + segmentSuffix;

/**
 * Returns the first sequence of the segment with this name; undefined if the name is not a
 * segment's.
 */
export function parseSequence(name: string): number | undefined {
  const first = /^\d{16}\.log$/.test(name) ? Number.parseInt(name, 10) : 0;
  return first > 0 ? first : undefined;
}

export function addMark(marks: SegmentMark[], mark: SegmentMark): void {
  const newest = marks.at(-1);
  if (!newest || mark.offset - newest.offset >= markDistanceBytes) marks.push(mark);
}

/** Returns an offset at or before the record; the segment's start if no closer mark exists. */
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
  /** The intact records from the start have no gap. */
  readonly count: number;
  /** The intact records have this many bytes. */
  readonly length: number;
  readonly marks: SegmentMark[];
  /**
   * `torn`: the remaining bytes were being written when the process ended and were never readable.
   * `damaged`: a later group follows the bad record, so the record had been fsynced and was lost
   * since.
   */
  readonly end: "clean" | "torn" | "damaged";
}

/** Parses a segment's bytes up to the first damage. */
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
