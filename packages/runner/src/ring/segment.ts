import { open, readdir, rm, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../support/files.ts";
import { endOf, entryAt, HEADER_BYTES, type RingEntry } from "./record.ts";

/** A file of a ring: entries one behind the other. Its name is the offset of the first. */
export interface Segment {
  readonly path: string;
  readonly start: number;
  /** Behind its last entry. */
  end: number;
  /** Bytes of the file that hold entries. */
  size: number;
  /** Entries in it. */
  count: number;
}

const NAME = /^(\d{16})\.ring$/;

export const newSegment = (folder: string, start: number): Segment => ({
  path: join(folder, `${String(start).padStart(16, "0")}.ring`),
  start,
  end: start,
  size: 0,
  count: 0,
});

interface Restored {
  readonly segments: Segment[];
  /** Whether anything was lost. A last entry that was cut by a kill is not counted: nobody was ever told of it. */
  readonly damaged: boolean;
}

/**
 * What is in a ring's folder. Each file is read up to its first damage; files whose offsets do not go on behind the one
 * before are removed. `onEntry` is told of every entry that is kept, oldest first.
 */
export async function restoreSegments(
  folder: string,
  { longest, onEntry }: { longest: number; onEntry: (entry: RingEntry) => void },
): Promise<Restored> {
  const segments: Segment[] = [];
  let damaged = false;
  const names = (await readdir(folder)).filter((name) => NAME.test(name)).toSorted();
  let last = { end: 0, sequence: -1 };
  for (const name of names) {
    const start = Number.parseInt(name, 10);
    const segment = { ...newSegment(folder, start), path: join(folder, name) };
    const bytes = await beginningOf(segment.path, longest).catch((error: unknown) => {
      if (isSystemError(error, "EISDIR", "EACCES", "EIO", "ELOOP", "ENXIO")) return undefined;
      throw error;
    });
    if (!bytes) {
      damaged = true;
      await rm(segment.path, { recursive: true, force: true });
      continue;
    }
    const { entries, whole } = entriesOf(bytes, last);
    const newest = entries.at(-1);
    const isLast = name === names.at(-1);
    if (!whole) damaged ||= !isLast || !wasCut(bytes, sizeOf(entries));
    if (!newest || entries[0]?.offset !== segment.start) {
      damaged ||= bytes.length > 0 && !isLast;
      await unlink(segment.path);
      continue;
    }
    segment.size = sizeOf(entries);
    segment.end = endOf(newest);
    segment.count = entries.length;
    if (!whole) await truncate(segment.path, segment.size);
    segments.push(segment);
    last = { end: segment.end, sequence: newest.sequence };
    entries.forEach(onEntry);
  }
  return { segments, damaged };
}

/** A file that is longer than a ring makes them is not read whole. */
async function beginningOf(path: string, longest: number): Promise<Buffer> {
  await using handle = await open(path, "r");
  const buffer = Buffer.allocUnsafe(Math.min((await handle.stat()).size, longest));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  return buffer.subarray(0, bytesRead);
}

const sizeOf = (entries: readonly RingEntry[]): number =>
  entries.reduce((sum, { data }) => sum + HEADER_BYTES + data.length, 0);

/** Whether what is behind the good entries is the beginning of one. */
const wasCut = (bytes: Buffer, from: number): boolean => entryAt(bytes, from) === undefined;

/** The entries from the beginning on, each behind the one before. */
export function entriesOf(
  bytes: Buffer,
  behind: { end: number; sequence: number },
): { entries: RingEntry[]; whole: boolean } {
  const entries: RingEntry[] = [];
  let { end, sequence } = behind;
  let position = 0;
  while (position < bytes.length) {
    const entry = entryAt(bytes, position);
    if (!entry || entry === "damaged") break;
    const follows = entries.length === 0 ? entry.offset >= end : entry.offset === end;
    if (!follows || entry.sequence <= sequence) break;
    entries.push(entry);
    ({ sequence } = entry);
    end = endOf(entry);
    position += HEADER_BYTES + entry.data.length;
  }
  return { entries, whole: position === bytes.length };
}

/** Bytes of a segment from a position on; nothing where the file is gone. */
export async function readSegment(
  segment: Segment,
  from: { position: number; bytes: number },
): Promise<Buffer | undefined> {
  try {
    await using handle = await open(segment.path, "r");
    const length = Math.max(0, Math.min(from.bytes, segment.size - from.position));
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(buffer, 0, length, from.position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}
