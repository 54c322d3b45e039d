/**
 * Headers of tar archives: 512 bytes, with texts of fixed width and numbers in octal. Values that
 * do not fit go into a preceding pax header: a separate entry (`x`) whose content is lines of
 * `length key=value`.
 */

export const blockBytes = 512;

export type TarType = "file" | "directory" | "symlink" | "hardlink" | "other";

export interface TarEntry {
  readonly path: string;
  readonly type: TarType;
  readonly size: number;
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** The target of a link. */
  readonly target: string;
}

const flags: Readonly<Record<Exclude<TarType, "other">, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  directory: "5",
};
const maxOctal = 0o77777777777;

/** Packs a header into blocks, preceded by a pax header if needed. */
export function packHeader(entry: TarEntry & { type: Exclude<TarType, "other"> }): Buffer {
  const paxRecords: Record<string, string> = {};
  const path = entry.type === "directory" ? `${entry.path}/` : entry.path;
  if (!isShortAscii(path, 100)) paxRecords["path"] = path;
  if (!isShortAscii(entry.target, 100)) paxRecords["linkpath"] = entry.target;
  if (entry.size > maxOctal) paxRecords["size"] = String(entry.size);
  const mtime = Math.min(maxOctal, Math.max(0, Math.floor(entry.mtime)));
  const ownHeader = createBlock({
    ...entry,
    path,
    size: Math.min(entry.size, maxOctal),
    mtime,
    flag: flags[entry.type],
  });
  if (Object.keys(paxRecords).length === 0) return ownHeader;
  const lines = Buffer.from(
    Object.entries(paxRecords)
      .map(([key, value]) => createPaxLine(key, value))
      .join(""),
  );
  const paxHeader = createBlock({ path: "PaxHeader", size: lines.length, mode: 0o644, mtime, target: "", flag: "x" });
  return Buffer.concat([paxHeader, lines, createPadding(lines.length), ownHeader]);
}

/** Creates the zeros that fill the last block. */
export const createPadding = (size: number): Buffer => Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);

function createBlock(entry: Omit<TarEntry, "type"> & { flag: string }): Buffer {
  const header = Buffer.alloc(blockBytes);
  header.write(entry.path.slice(0, 100), 0, 100);
  header.write(toOctal(entry.mode & 0o777, 7), 100);
  header.write(toOctal(0, 7), 108);
  header.write(toOctal(0, 7), 116);
  header.write(toOctal(entry.size, 11), 124);
  header.write(toOctal(entry.mtime, 11), 136);
  header.write("        ", 148);
  header.write(entry.flag, 156);
  header.write(entry.target.slice(0, 100), 157, 100);
  header.write("ustar\0" + "00", 257);
  header.write(`${toOctal(getChecksum(header), 6)}\0 `, 148);
  return header;
}

const toOctal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
const isShortAscii = (text: string, bytes: number): boolean => /^[\x20-\x7e]*$/.test(text) && text.length <= bytes;

/** The length counts its own digits. */
function createPaxLine(key: string, value: string): string {
  const baseLength = Buffer.byteLength(` ${key}=${value}\n`);
  let length = baseLength + String(baseLength).length;
  if (baseLength + String(length).length !== length) length = baseLength + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** Sums all bytes of a header; the checksum's own bytes count as blanks. */
export function getChecksum(header: Buffer): number {
  let sum = 0;
  for (let index = 0; index < blockBytes; index++) sum += index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
  return sum;
}
