import type { FileHandle } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { readChunks } from "../file-system/read-bounded.ts";
import { openFile } from "../file-system/rooted-path.ts";
import { getEtag } from "./etag.ts";
import { createTooLargeError } from "./read.ts";
import type { FileSettings } from "./settings.ts";

interface DownloadInput {
  path: string;
  /** Both values are the request's headers with these names. */
  range: string | undefined;
  ifRange: string | undefined;
}

export interface Download extends AsyncDisposable {
  readonly status: 200 | 206 | 416;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Yields as many bytes as the headers declare; fails if the file has fewer. */
  bytes(): AsyncGenerator<Buffer, void, undefined>;
}

/**
 * Opens a file's bytes, or one range of them, as an HTTP answer. A range may come from a file that
 * is too large as a whole.
 */
export async function openDownload(settings: FileSettings, { path, range, ifRange }: DownloadInput): Promise<Download> {
  const { file, stats } = await openFile(settings.workspace, path);
  try {
    const { size } = stats;
    const etag = getEtag(stats);
    const requestedRange = ifRange === undefined || ifRange === etag ? parseRange(range, size) : undefined;
    const headers = { "content-type": "application/octet-stream", "accept-ranges": "bytes", etag };
    if (requestedRange === "unsatisfiable")
      return createDownload(file, {
        path,
        status: 416,
        headers: { ...headers, "content-range": `bytes */${size}` },
        from: 0,
        to: 0,
      });
    const { from: start, to: end } = requestedRange ?? { from: 0, to: size };
    if (end - start > settings.maxFileBytes) throw createTooLargeError(path, settings.maxFileBytes);
    const rangeHeaders = requestedRange && { "content-range": `bytes ${start}-${end - 1}/${size}` };
    return createDownload(file, {
      path,
      status: requestedRange ? 206 : 200,
      headers: { ...headers, ...rangeHeaders },
      from: start,
      to: end,
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}

function createDownload(
  file: FileHandle,
  {
    path,
    from: start,
    to: end,
    ...head
  }: Pick<Download, "status" | "headers"> & { path: string; from: number; to: number },
): Download {
  return {
    status: head.status,
    headers: { ...head.headers, "content-length": end - start },
    async *bytes() {
      let remainingBytes = end - start;
      for await (const piece of readChunks(file, start, end)) {
        remainingBytes -= piece.length;
        // The socket may still hold the piece during the next read.
        yield Buffer.from(piece);
      }
      if (remainingBytes > 0) throw new WharfError("file_changed", { path });
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/**
 * Parses one range; its end is exclusive. HTTP ignores any header that is not a single range of
 * bytes.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): { from: number; to: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (!match || (first === "" && last === "")) return undefined;
  if (first === "") {
    const start = Math.max(0, size - Number(last));
    return start === size ? "unsatisfiable" : { from: start, to: size };
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { from: start, to: end };
}
