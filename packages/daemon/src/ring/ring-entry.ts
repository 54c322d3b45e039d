import { crc32 } from "node:zlib";

/**
 * An entry in a segment is a header, then the data. The checksum covers everything after it, so a
 * write that was cut or a byte that changed is noticed, and reading stops there.
 *
 *   0 checksum u32 | 4 length u32 | 8 type u32 | 12 offset f64 | 20 sequence f64 | 28 time f64
 *   36 data
 */
export const headerBytes = 36;
/** More data is split into several entries. */
export const maxDataBytes = 64 * 1024;

export interface RingEntry {
  /** The owner of the ring defines the meaning of the type. */
  readonly type: number;
  /** The offset is the entry's start, counted from the very first entry. */
  readonly offset: number;
  /** The sequence is the entry's number, from 0. */
  readonly sequence: number;
  /** The entry arrived at this time, in ms since 1970. */
  readonly time: number;
  readonly data: Buffer;
}

/**
 * Returns how many offsets an entry takes. An entry without data takes one, so that every reader is
 * before or after it.
 */
export const getDataSpan = (data: Uint8Array): number => Math.max(1, data.length);
export const getEntryEnd = (entry: RingEntry): number => entry.offset + getDataSpan(entry.data);

export function createHeader(entry: RingEntry): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32LE(entry.data.length, 4);
  header.writeUInt32LE(entry.type, 8);
  header.writeDoubleLE(entry.offset, 12);
  header.writeDoubleLE(entry.sequence, 20);
  header.writeDoubleLE(entry.time, 28);
  header.writeUInt32LE(crc32(entry.data, crc32(header.subarray(4))), 0);
  return header;
}

/**
 * Parses the entry at a position. Returns undefined if the entry is not complete yet; `damaged` if
 * it never will be.
 */
export function parseEntry(bytes: Buffer, position: number): RingEntry | "damaged" | undefined {
  if (bytes.length - position < headerBytes) return undefined;
  const length = bytes.readUInt32LE(position + 4);
  if (length > maxDataBytes) return "damaged";
  const end = position + headerBytes + length;
  if (end > bytes.length) return undefined;
  if (crc32(bytes.subarray(position + 4, end)) !== bytes.readUInt32LE(position)) return "damaged";
  const entry = {
    type: bytes.readUInt32LE(position + 8),
    offset: bytes.readDoubleLE(position + 12),
    sequence: bytes.readDoubleLE(position + 20),
    time: bytes.readDoubleLE(position + 28),
    data: bytes.subarray(position + headerBytes, end),
  };
  const { offset, sequence, time } = entry;
  const isPlausible = isCount(offset) && isCount(sequence) && Number.isSafeInteger(offset + length) && isTime(time);
  return isPlausible ? entry : "damaged";
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isTime = (value: number): boolean => value >= 0 && value <= 8.64e15; // a Date has this range
