import { crc32 } from "node:zlib";

/**
 * A record on disk consists of the checksum in eight hex digits, a space, the record as JSON, and a
 * line feed. The JSON begins with the sequence, so recovery need not parse it. The first line of a
 * group ends with a space (which JSON allows and the checksum covers): everything before that line
 * was fsynced before the line was written.
 */

const spaceByte = 0x20;
const checksumBytes = 9; // the checksum takes 8 bytes, the space 1
const seqPrefix = '{"seq":';

/** A line adds at most this much to its JSON. */
export const lineOverheadBytes = checksumBytes + 2;

/** Builds the record's JSON; `fieldsJson` is the JSON object of all its other fields. */
export const toRecordJson = (seq: number, fieldsJson: string): string => `${seqPrefix}${seq},${fieldsJson.slice(1)}`;

export function encodeLine(json: string, opensGroup: boolean): string {
  const text = opensGroup ? `${json} ` : json;
  return `${crc32(text).toString(16).padStart(8, "0")} ${text}\n`;
}

export interface JournalLine {
  readonly seq: number;
  readonly json: Buffer;
  readonly opensGroup: boolean;
}

/** Parses a line without its line feed; undefined if the line is not intact. */
export function parseLine(line: Buffer): JournalLine | undefined {
  if (line.length <= checksumBytes + seqPrefix.length || line[checksumBytes - 1] !== spaceByte) return undefined;
  const checksum = line.toString("latin1", 0, checksumBytes - 1);
  if (!/^[0-9a-f]{8}$/.test(checksum)) return undefined;
  const json = line.subarray(checksumBytes);
  if (crc32(json) !== Number.parseInt(checksum, 16)) return undefined;
  const match = /^\{"seq":([1-9]\d{0,15}),/.exec(json.toString("latin1", 0, 32));
  if (!match) return undefined;
  return { seq: Number(match[1]), json, opensGroup: json[json.length - 1] === spaceByte };
}
