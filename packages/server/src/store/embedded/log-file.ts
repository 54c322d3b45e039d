import { copyFile, open, stat, truncate } from "node:fs/promises";

/** Approximate maximum size of each of the two files of PostgreSQL's own log. */
const maxBytes = 4 * 1024 * 1024;

/** Bytes read from the end of the log to find out why PostgreSQL ended. */
const tailBytes = 16 * 1024;

export const getFileSize = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/**
 * Sets a full log aside. PostgreSQL keeps appending to the same file, so the file is copied and
 * emptied, not renamed.
 */
export async function rotateLog(path: string): Promise<void> {
  if ((await getFileSize(path)) < maxBytes) return;
  await copyFile(path, `${path}.1`);
  await truncate(path);
}

/** Errors that are fatal to one connection only. */
const connectionErrorPattern = /FATAL:\s+(the database system is|terminating connection|connection to client)/;

/** Returns the last fatal message that PostgreSQL logged about itself after `offset`. */
export async function readLastFatalMessage(path: string, offset: number): Promise<string | undefined> {
  const handle = await open(path).catch(() => undefined);
  if (!handle) return undefined;
  await using _closed = handle;
  const { size } = await handle.stat();
  const start = Math.max(offset <= size ? offset : 0, size - tailBytes);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - start), 0, size - start, start);
  const lines = buffer.toString("utf8", 0, bytesRead).split("\n");
  const last = lines.findLastIndex((line) => /\b(PANIC|FATAL):/.test(line) && !connectionErrorPattern.test(line));
  if (last < 0) return undefined;
  const detail = lines[last + 1]?.includes("DETAIL:") ? lines[last + 1] : undefined;
  return [lines[last], detail]
    .flatMap((line) => (line ? [line.replace(/^.*?\b(?:PANIC|FATAL|DETAIL):\s*/, "")] : []))
    .join(" ");
}
