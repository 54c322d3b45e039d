import { WharfError } from "../errors/index.ts";
import { BLOCK, checksum, type TarEntry, type TarType } from "./header.ts";

/** What a header's own fields say; `flag` is the kind of entry. */
export interface RawHeader {
  readonly entry: TarEntry;
  readonly flag: string;
}

export const notATar = (message: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path: "", message: `the archive is not valid: ${message}` }] });

/** Reads one header block; nothing where it is empty, as at an archive's end. */
export function parseHeader(header: Buffer): RawHeader | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  if (numberAt(header, 148, 8) !== checksum(header)) throw notATar("a header's checksum is wrong");
  const flag = String.fromCharCode(header[156] ?? 0);
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? textAt(header, 345, 155) : "";
  const name = textAt(header, 0, 100);
  const path = prefix === "" ? name : `${prefix}/${name}`;
  return {
    flag,
    entry: {
      path,
      type: typeOf(flag, path),
      size: numberAt(header, 124, 12),
      mode: numberAt(header, 100, 8) & 0o777,
      mtime: numberAt(header, 136, 12),
      target: textAt(header, 157, 100),
    },
  };
}

/** What a pax header says of the entry behind it. */
export function parsePax(content: Buffer): Partial<TarEntry> {
  const found: { -readonly [K in keyof TarEntry]?: TarEntry[K] } = {};
  for (let at = 0; at < content.length;) {
    const blank = content.indexOf(0x20, at);
    const digits = blank === -1 ? "" : content.toString("latin1", at, blank);
    const end = at + Number(digits);
    if (!/^[0-9]{1,9}$/.test(digits) || end > content.length || end <= blank + 1 || content[end - 1] !== 0x0a)
      throw notATar("a pax header cannot be read");
    const line = content.toString("utf8", blank + 1, end - 1);
    const equals = line.indexOf("=");
    const value = line.slice(equals + 1);
    const key = equals === -1 ? "" : line.slice(0, equals);
    if (key === "path") found.path = value;
    else if (key === "linkpath") found.target = value;
    else if (key === "size") found.size = paxNumber(value);
    else if (key === "mtime") found.mtime = paxNumber(value);
    else if (key.startsWith("GNU.sparse")) throw notATar("it has sparse files");
    at = end;
  }
  return found;
}

/** The text of a long name as GNU's tar writes it. */
export const parseLongName = (content: Buffer): string => textAt(content, 0, content.length);

function typeOf(flag: string, path: string): TarType {
  // Before there were flags for folders, a slash said it.
  if (flag === "0" || flag === "\0" || flag === "7") return path.endsWith("/") ? "directory" : "file";
  if (flag === "5") return "directory";
  if (flag === "2") return "symlink";
  return flag === "1" ? "hardlink" : "other";
}

function paxNumber(value: string): number {
  const number = Number(value);
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(value)) throw notATar("a pax header has a number that is none");
  return Math.max(0, Math.floor(number));
}

function numberAt(header: Buffer, from: number, length: number): number {
  const first = header[from] ?? 0;
  if ((first & 0x80) !== 0) return base256(header.subarray(from, from + length));
  const text = header
    .toString("latin1", from, from + length)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (text === "") return 0;
  if (!/^[0-7]+$/.test(text)) throw notATar("a header has a number that is none");
  return Number.parseInt(text, 8);
}

/** GNU's way for numbers that are too large; those below zero count as zero. */
function base256(bytes: Buffer): number {
  if (bytes[0] === 0xff) return 0;
  let value = (bytes[0] ?? 0) & 0x7f;
  for (const byte of bytes.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw notATar("a header has a number that is too large");
  return value;
}

function textAt(header: Buffer, from: number, length: number): string {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? field.length : end);
}

export const blocksOf = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;
