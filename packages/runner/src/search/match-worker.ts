import type { FoundLine } from "./locator.ts";

export interface MatchSetup {
  source: string;
  flags: string;
  mostLines: number;
  mostBegin: number;
  mostFile: number;
}

/** Of each file its lines that match; files that are no text, or are gone, have none. */
export type MatchAnswer = (FoundLine[] | "too large")[];

/**
 * Runs in a thread of its own, because a regular expression may take for ever and only a thread can be ended then. It
 * gets paths in folders that the daemon holds open, and reads there without following a link. The function is handed
 * over as text, so it uses nothing from around it: the daemon is one file, and a thread's own file would have to be found
 * beside it.
 */
export function serveMatches(): void {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const { closeSync, constants, fstatSync, openSync, readSync } = process.getBuiltinModule("node:fs");
  const { source, flags, mostLines, mostBegin, mostFile }: MatchSetup = workerData;
  const expression = new RegExp(source, flags);

  /**
   * How many bytes the first characters of a line stand for. What was no UTF-8 has become one sign for each beginning of a
   * character that came to nothing, as the standard has it; the sign's own length says nothing.
   */
  const bytesBehind = (bytes: Buffer, characters: number): number => {
    let at = 0;
    for (let units = 0; units < characters && at < bytes.length; units += 1) {
      const lead = bytes[at] ?? 0;
      const length = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
      const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
      let taken = 1;
      for (; taken < length; taken += 1) {
        const next = bytes[at + taken] ?? 0;
        if (taken === 1 ? next < lowest || next > highest : next < 0x80 || next > 0xbf) break;
      }
      at += taken;
      if (length === 4 && taken === 4) units += 1;
    }
    return at;
  };

  const rangesIn = (line: string, bytes: Buffer): FoundLine["ranges"] => {
    const ranges: { start: number; end: number }[] = [];
    const isText = !line.includes("\uFFFD");
    const offsetOf = (at: number) => (isText ? Buffer.byteLength(line.slice(0, at)) : bytesBehind(bytes, at));
    expression.lastIndex = 0;
    for (let found = expression.exec(line); found && ranges.length < 100; found = expression.exec(line)) {
      ranges.push({ start: offsetOf(found.index), end: offsetOf(found.index + found[0].length) });
      if (found[0] === "") expression.lastIndex += 1;
    }
    return ranges;
  };

  const linesIn = (bytes: Buffer): FoundLine[] => {
    const found: FoundLine[] = [];
    let offset = 0;
    for (const [at, line] of bytes.toString().split("\n").entries()) {
      const newline = bytes.indexOf(10, offset);
      const end = newline === -1 ? bytes.length : newline + 1;
      // Behind the last line's end stands no further line.
      if (offset === bytes.length || found.length === mostLines) break;
      const ranges = rangesIn(line.endsWith("\r") ? line.slice(0, -1) : line, bytes.subarray(offset, end));
      const begin = new Uint8Array(bytes.subarray(offset, Math.min(end, offset + mostBegin)));
      if (ranges.length > 0) found.push({ line: at + 1, offset, length: end - offset, ranges, begin });
      offset = end;
    }
    return found;
  };

  const bytesOf = (path: string): Buffer | "too large" | undefined => {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      if (!stats.isFile()) return undefined;
      if (stats.size > mostFile) return "too large";
      const bytes = Buffer.allocUnsafe(stats.size);
      let filled = 0;
      for (let read = -1; read !== 0 && filled < bytes.length; filled += read)
        read = readSync(file, bytes, filled, bytes.length - filled, filled);
      return bytes.subarray(0, filled);
    } finally {
      closeSync(file);
    }
  };

  const matchesIn = (path: string): FoundLine[] | "too large" => {
    let bytes: Buffer | "too large" | undefined;
    try {
      bytes = bytesOf(path);
    } catch {
      return [];
    }
    if (bytes === "too large") return bytes;
    return bytes === undefined || bytes.includes(0) ? [] : linesIn(bytes);
  };

  parentPort?.on("message", (paths: string[]) => parentPort.postMessage(paths.map(matchesIn) satisfies MatchAnswer));
}
