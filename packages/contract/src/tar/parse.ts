import { WharfError } from "../errors/index.ts";
import { blockBytes, getChecksum, type TarEntry, type TarType } from "./header.ts";

/** The fields of one header; `flag` is the kind of entry. */
export interface RawHeader {
  readonly entry: TarEntry;
  readonly flag: string;
}

export const createTarError = (message: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path: "", message: `the archive is not valid: ${message}` }] });

/** Reads one header block; returns undefined for an empty block, which marks an archive's end. */
export function parseHeader(header: Buffer): RawHeader | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  if (isCompressed(header)) throw createTarError("it is compressed; send it as plain tar");
  if (parseNumber(header, 148, 8) !== getChecksum(header)) throw createTarError("a header's checksum is wrong");
  const flag = String.fromCharCode(header[156] ?? 0);
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? parseText(header, 345, 155) : "";
  const name = parseText(header, 0, 100);
  const path = prefix === "" ? name : `${prefix}/${name}`;
  return {
    flag,
    entry: {
      path,
      type: getTarType(flag, path),
      size: parseNumber(header, 124, 12),
      mode: parseNumber(header, 100, 8) & 0o777,
      mtime: parseNumber(header, 136, 12),
      target: parseText(header, 157, 100),
    },
  };
}

/** Recognizes gzip, zstd, bzip2 and xz by their first bytes. */
const isCompressed = (bytes: Buffer): boolean => /^(?:1f8b|28b52ffd|425a68|fd377a58)/.test(bytes.toString("hex", 0, 4));

/** Parses the fields that a pax header sets for the entries after it. */
export function parsePax(content: Buffer): Partial<TarEntry> {
  const fields: { -readonly [K in keyof TarEntry]?: TarEntry[K] } = {};
  for (let offset = 0; offset < content.length;) {
    const blank = content.indexOf(0x20, offset);
    const digits = blank === -1 ? "" : content.toString("latin1", offset, blank);
    const end = offset + Number(digits);
    if (!/^[0-9]{1,9}$/.test(digits) || end > content.length || end <= blank + 1 || content[end - 1] !== 0x0a)
      throw createTarError("a pax header cannot be read");
    const line = content.toString("utf8", blank + 1, end - 1);
    const equals = line.indexOf("=");
    const value = line.slice(equals + 1);
    const key = equals === -1 ? "" : line.slice(0, equals);
    if (key === "path") fields.path = value;
    else if (key === "linkpath") fields.target = value;
    else if (key === "size") fields.size = parsePaxNumber(value);
    else if (key === "mtime") fields.mtime = parsePaxNumber(value);
    else if (key.startsWith("GNU.sparse")) throw createTarError("it has sparse files");
    offset = end;
  }
  return fields;
}

/** Parses a long name as GNU tar writes it. */
export const parseLongName = (content: Buffer): string => parseText(content, 0, content.length);

function getTarType(flag: string, path: string): TarType {
  // Archives from before the folder flag mark a folder with a trailing slash.
  if (flag === "0" || flag === "\0" || flag === "7") return path.endsWith("/") ? "directory" : "file";
  if (flag === "5") return "directory";
  if (flag === "2") return "symlink";
  return flag === "1" ? "hardlink" : "other";
}

function parsePaxNumber(value: string): number {
  const number = Number(value);
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(value)) throw createTarError("a pax header contains an invalid number");
  return Math.max(0, Math.floor(number));
}

function parseNumber(header: Buffer, offset: number, length: number): number {
  const first = header[offset] ?? 0;
  if ((first & 0x80) !== 0) return parseBase256(header.subarray(offset, offset + length));
  const text = header
    .toString("latin1", offset, offset + length)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (text === "") return 0;
  if (!/^[0-7]+$/.test(text)) throw createTarError("a header contains an invalid number");
  return Number.parseInt(text, 8);
}

/** Parses GNU's format for numbers that do not fit in octal. Negative numbers count as zero. */
function parseBase256(bytes: Buffer): number {
  if (bytes[0] === 0xff) return 0;
  let value = (bytes[0] ?? 0) & 0x7f;
  for (const byte of bytes.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw createTarError("a header has a number that is too large");
  return value;
}

function parseText(header: Buffer, offset: number, length: number): string {
  const field = header.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? field.length : end);
}

export const toBlockSize = (size: number): number => Math.ceil(size / blockBytes) * blockBytes;
