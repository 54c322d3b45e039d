import { crc32 } from "node:zlib";

/**
 * A file's line begins with its checksum in eight hexadecimal digits, so that a garbled line is
 * detected.
 */

const linePattern = /^([0-9a-f]{8}) /;

export const toCheckedLine = (text: string): string => `${crc32(text).toString(16).padStart(8, "0")} ${text}\n`;

/** Returns the text of a line without its line feed, or undefined if the line is damaged. */
export function parseCheckedLine(line: string): string | undefined {
  const checksum = linePattern.exec(line)?.[1];
  const text = line.slice(9);
  return checksum !== undefined && crc32(text) === Number.parseInt(checksum, 16) ? text : undefined;
}
