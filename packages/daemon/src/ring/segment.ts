import { open, readdir, rm, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../file-system/files.ts";
import { getEntryEnd, parseEntry, headerBytes, type RingEntry } from "./ring-entry.ts";

/**
 * RingSegment is a file of a ring with consecutive entries. Its name is the offset of the first.
 */
export interface RingSegment {
  readonly path: string;
  readonly start: number;
  /** The segment ends at this offset, after its last entry. */
  end: number;
  /** This many bytes of the file hold entries. */
  size: number;
  /** The file has this many entries. */
  count: number;
}

const segmentNamePattern = /^(\d{16})\.ring$/;

export const createSegment = (folder: string, start: number): RingSegment => ({
  path: join(folder, `${String(start).padStart(16, "0")}.ring`),
  start,
  end: start,
  size: 0,
  count: 0,
});

interface RestoreResult {
  readonly segments: RingSegment[];
  /** Data was lost. A last entry that was cut by a kill does not count: it was never reported. */
  readonly damaged: boolean;
}

/**
 * Restores the segments in a ring's folder. Each file is read up to its first damage; files whose
 * offsets do not continue the previous file are removed. `onEntry` gets every kept entry, oldest
 * first.
 */
export async function restoreSegments(
  folder: string,
  { longest, onEntry }: { longest: number; onEntry: (entry: RingEntry) => void },
): Promise<RestoreResult> {
  const segments: RingSegment[] = [];
  let damaged = false;
  const names = (await readdir(folder)).filter((name) => segmentNamePattern.test(name)).toSorted();
  let last = { end: 0, sequence: -1 };
  for (const name of names) {
    const start = Number.parseInt(name, 10);
    const segment = { ...createSegment(folder, start), path: join(folder, name) };
    const bytes = await readStart(segment.path, longest).catch((error: unknown) => {
      if (isSystemError(error, "EISDIR", "EACCES", "EIO", "ELOOP", "ENXIO")) return undefined;
      throw error;
    });
    if (!bytes) {
      damaged = true;
      await rm(segment.path, { recursive: true, force: true });
      continue;
    }
    const { entries, isComplete } = parseEntries(bytes, last);
    const newest = entries.at(-1);
    const isLast = name === names.at(-1);
    if (!isComplete) damaged ||= !isLast || !isTruncated(bytes, getSize(entries));
    if (!newest || entries[0]?.offset !== segment.start) {
      damaged ||= bytes.length > 0 && !isLast;
      await unlink(segment.path);
      continue;
    }
    segment.size = getSize(entries);
    segment.end = getEntryEnd(newest);
    segment.count = entries.length;
    if (!isComplete) await truncate(segment.path, segment.size);
    segments.push(segment);
    last = { end: segment.end, sequence: newest.sequence };
    entries.forEach(onEntry);
  }
  return { segments, damaged };
}

/** Reads at most `longest` bytes: a longer file was not written by a ring. */
async function readStart(path: string, longest: number): Promise<Buffer> {
  await using handle = await open(path, "r");
  const buffer = Buffer.allocUnsafe(Math.min((await handle.stat()).size, longest));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  return buffer.subarray(0, bytesRead);
}

const getSize = (entries: readonly RingEntry[]): number =>
  entries.reduce((sum, { data }) => sum + headerBytes + data.length, 0);

/** Checks whether the bytes after the good entries are the start of an entry. */
const isTruncated = (bytes: Buffer, position: number): boolean => parseEntry(bytes, position) === undefined;

/** Parses consecutive entries from the start. */
export function parseEntries(
  bytes: Buffer,
  previous: { end: number; sequence: number },
): { entries: RingEntry[]; isComplete: boolean } {
  const entries: RingEntry[] = [];
  let { end, sequence } = previous;
  let position = 0;
  while (position < bytes.length) {
    const entry = parseEntry(bytes, position);
    if (!entry || entry === "damaged") break;
    const follows = entries.length === 0 ? entry.offset >= end : entry.offset === end;
    if (!follows || entry.sequence <= sequence) break;
    entries.push(entry);
    ({ sequence } = entry);
    end = getEntryEnd(entry);
    position += headerBytes + entry.data.length;
  }
  return { entries, isComplete: position === bytes.length };
}

/** Reads bytes of a segment from a position; undefined if the file is missing. */
export async function readSegment(
  segment: RingSegment,
  range: { position: number; bytes: number },
): Promise<Buffer | undefined> {
  try {
    await using handle = await open(segment.path, "r");
    const length = Math.max(0, Math.min(range.bytes, segment.size - range.position));
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(buffer, 0, length, range.position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}
