import type { MatchedLine } from "./locator.ts";

export interface MatchWorkerOptions {
  source: string;
  flags: string;
  maxLines: number;
  maxBeginBytes: number;
  maxFileBytes: number;
}

/** Each file has a list of matching lines, empty for binary or missing files. */
export type MatchResult = (MatchedLine[] | "too large")[];

/**
 * Matches in a separate thread, because a regular expression may run indefinitely and only a thread
 * can be stopped then. The thread gets paths in folders that the daemon holds open, and reads there
 * without following links. The function is passed as text, so it uses nothing from its module: the
 * daemon is one file, and a thread would need a second one.
 */
export function serveMatches(): void {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const { closeSync, constants, fstatSync, openSync, readSync } = process.getBuiltinModule("node:fs");
  const { source, flags, maxLines, maxBeginBytes, maxFileBytes }: MatchWorkerOptions = workerData;
  const expression = new RegExp(source, flags);

  /**
   * Counts the bytes that the first characters of a line take. Each invalid UTF-8 sequence was
   * decoded to one replacement character, as the standard requires; that character's own length is
   * meaningless.
   */
  const countPrefixBytes = (bytes: Buffer, characters: number): number => {
    let offset = 0;
    for (let units = 0; units < characters && offset < bytes.length; units += 1) {
      const lead = bytes[offset] ?? 0;
      const length = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
      const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
      let byteCount = 1;
      for (; byteCount < length; byteCount += 1) {
        const next = bytes[offset + byteCount] ?? 0;
        if (byteCount === 1 ? next < lowest || next > highest : next < 0x80 || next > 0xbf) break;
      }
      offset += byteCount;
      if (length === 4 && byteCount === 4) units += 1;
    }
    return offset;
  };

  const getRanges = (line: string, bytes: Buffer): MatchedLine["ranges"] => {
    const ranges: { start: number; end: number }[] = [];
    const isText = !line.includes("\uFFFD");
    const toByteOffset = (index: number) =>
      isText ? Buffer.byteLength(line.slice(0, index)) : countPrefixBytes(bytes, index);
    expression.lastIndex = 0;
    for (let match = expression.exec(line); match && ranges.length < 100; match = expression.exec(line)) {
      ranges.push({ start: toByteOffset(match.index), end: toByteOffset(match.index + match[0].length) });
      if (match[0] === "") expression.lastIndex += 1;
    }
    return ranges;
  };

  const getMatchedLines = (bytes: Buffer): MatchedLine[] => {
    const lines: MatchedLine[] = [];
    let offset = 0;
    for (const [index, line] of bytes.toString().split("\n").entries()) {
      const newline = bytes.indexOf(10, offset);
      const end = newline === -1 ? bytes.length : newline + 1;
      // No line follows the last line end.
      if (offset === bytes.length || lines.length === maxLines) break;
      const ranges = getRanges(line.endsWith("\r") ? line.slice(0, -1) : line, bytes.subarray(offset, end));
      const begin = new Uint8Array(bytes.subarray(offset, Math.min(end, offset + maxBeginBytes)));
      if (ranges.length > 0) lines.push({ line: index + 1, offset, length: end - offset, ranges, begin });
      offset = end;
    }
    return lines;
  };

  const readBytes = (path: string): Buffer | "too large" | undefined => {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      if (!stats.isFile()) return undefined;
      if (stats.size > maxFileBytes) return "too large";
      const bytes = Buffer.allocUnsafe(stats.size);
      let filled = 0;
      for (let read = -1; read !== 0 && filled < bytes.length; filled += read)
        read = readSync(file, bytes, filled, bytes.length - filled, filled);
      return bytes.subarray(0, filled);
    } finally {
      closeSync(file);
    }
  };

  const getMatches = (path: string): MatchedLine[] | "too large" => {
    let bytes: Buffer | "too large" | undefined;
    try {
      bytes = readBytes(path);
    } catch {
      return [];
    }
    if (bytes === "too large") return bytes;
    return bytes === undefined || bytes.includes(0) ? [] : getMatchedLines(bytes);
  };

  parentPort?.on("message", (paths: string[]) => parentPort.postMessage(paths.map(getMatches) satisfies MatchResult));
}
