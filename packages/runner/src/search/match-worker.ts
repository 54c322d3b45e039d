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

  const rangesIn = (line: string): FoundLine["ranges"] => {
    const ranges: { start: number; end: number }[] = [];
    expression.lastIndex = 0;
    for (let found = expression.exec(line); found && ranges.length < 100; found = expression.exec(line)) {
      const start = Buffer.byteLength(line.slice(0, found.index));
      ranges.push({ start, end: start + Buffer.byteLength(found[0]) });
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
      const ranges = rangesIn(line.endsWith("\r") ? line.slice(0, -1) : line);
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
