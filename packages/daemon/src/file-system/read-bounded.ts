import type { FileHandle } from "node:fs/promises";

const chunkBytes = 256 * 1024;

/** Reads up to `length` bytes of a file from a position, and fewer only at the end of the file. */
export async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/**
 * Reads a whole file; returns undefined if the file exceeds the limit or grows beyond it during the
 * read.
 */
export async function readWholeFile(file: FileHandle, limit: number): Promise<Buffer | undefined> {
  const { size } = await file.stat();
  if (size > limit) return undefined;
  const begin = await readBytes(file, 0, Math.min(size + 1, limit + 1));
  if (begin.length <= size) return begin;
  const chunks = [begin];
  let total = begin.length;
  for await (const chunk of readChunks(file, total)) {
    total += chunk.length;
    if (total > limit) return undefined;
    chunks.push(Buffer.from(chunk));
  }
  return total > limit ? undefined : Buffer.concat(chunks, total);
}

/**
 * Yields a file's bytes from a position to its end or to `end` (exclusive). A piece is valid until
 * the next one.
 */
export async function* readChunks(file: FileHandle, start = 0, end = Number.MAX_SAFE_INTEGER): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(1, end - start)));
  for (let offset = start; offset < end;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - offset), offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
