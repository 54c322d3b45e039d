/**
 * Headers of tar archives: 512 bytes, texts of fixed width and numbers in octal. What does not fit stands in a pax
 * header before it: an entry of its own (`x`) whose content is lines of `length key=value`.
 */

export const BLOCK = 512;

export type TarType = "file" | "directory" | "symlink" | "hardlink" | "other";

export interface TarEntry {
  readonly path: string;
  readonly type: TarType;
  readonly size: number;
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of links. */
  readonly target: string;
}

const flags: Readonly<Record<Exclude<TarType, "other">, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  directory: "5",
};
const MOST_OCTAL = 0o77777777777;

/** A header's blocks, the pax header before it where one is needed. */
export function packHeader(entry: TarEntry & { type: Exclude<TarType, "other"> }): Buffer {
  const more: Record<string, string> = {};
  const path = entry.type === "directory" ? `${entry.path}/` : entry.path;
  if (!fits(path, 100)) more["path"] = path;
  if (!fits(entry.target, 100)) more["linkpath"] = entry.target;
  if (entry.size > MOST_OCTAL) more["size"] = String(entry.size);
  const mtime = Math.min(MOST_OCTAL, Math.max(0, Math.floor(entry.mtime)));
  const own = block({ ...entry, path, size: Math.min(entry.size, MOST_OCTAL), mtime, flag: flags[entry.type] });
  if (Object.keys(more).length === 0) return own;
  const lines = Buffer.from(
    Object.entries(more)
      .map(([key, value]) => paxLine(key, value))
      .join(""),
  );
  const before = block({ path: "PaxHeader", size: lines.length, mode: 0o644, mtime, target: "", flag: "x" });
  return Buffer.concat([before, lines, padding(lines.length), own]);
}

/** Zeros to the end of a block. */
export const padding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

function block(entry: Omit<TarEntry, "type"> & { flag: string }): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(entry.path.slice(0, 100), 0, 100);
  header.write(octal(entry.mode & 0o777, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(entry.size, 11), 124);
  header.write(octal(entry.mtime, 11), 136);
  header.write("        ", 148);
  header.write(entry.flag, 156);
  header.write(entry.target.slice(0, 100), 157, 100);
  header.write("ustar\0" + "00", 257);
  header.write(`${octal(checksum(header), 6)}\0 `, 148);
  return header;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
const fits = (text: string, bytes: number): boolean => /^[\x20-\x7e]*$/.test(text) && text.length <= bytes;

/** The length counts its own digits. */
function paxLine(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** The sum of all bytes, with blanks in the checksum's own place. */
export function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0);
  return sum;
}
