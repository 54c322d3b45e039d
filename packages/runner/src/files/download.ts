import type { FileHandle } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { openFile } from "../support/beneath.ts";
import { piecesOf } from "../support/read-bounded.ts";
import { tooLarge } from "./read.ts";
import type { FileSettings } from "./settings.ts";

interface Wanted {
  path: string;
  /** The request's headers of these names. */
  range: string | undefined;
  ifRange: string | undefined;
}

export interface Download extends AsyncDisposable {
  readonly status: 200 | 206 | 416;
  readonly headers: Readonly<Record<string, string | number>>;
  /** As many bytes as the headers say; fails where the file turns out to have fewer. */
  bytes(): AsyncGenerator<Buffer, void, undefined>;
}

/** A file's bytes as an HTTP answer, or one range of them. A range may be of a file that is too large as a whole. */
export async function openDownload(settings: FileSettings, { path, range, ifRange }: Wanted): Promise<Download> {
  const { file, stats } = await openFile(settings.workspace, path);
  try {
    const { size, mtimeMs, ino } = stats;
    const etag = `"${ino.toString(36)}-${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}"`;
    const asked = ifRange === undefined || ifRange === etag ? parseRange(range, size) : undefined;
    const headers = { "content-type": "application/octet-stream", "accept-ranges": "bytes", etag };
    if (asked === "unsatisfiable")
      return answer(file, { status: 416, headers: { ...headers, "content-range": `bytes */${size}` }, from: 0, to: 0 });
    const { from, to } = asked ?? { from: 0, to: size };
    if (to - from > settings.maxFileBytes) throw tooLarge(path, settings.maxFileBytes);
    const ranged = asked && { "content-range": `bytes ${from}-${to - 1}/${size}` };
    return answer(file, { status: asked ? 206 : 200, headers: { ...headers, ...ranged }, from, to });
  } catch (error) {
    await file.close();
    throw error;
  }
}

function answer(
  file: FileHandle,
  { from, to, ...head }: Pick<Download, "status" | "headers"> & { from: number; to: number },
): Download {
  return {
    status: head.status,
    headers: { ...head.headers, "content-length": to - from },
    async *bytes() {
      let left = to - from;
      for await (const piece of piecesOf(file, from, to)) {
        left -= piece.length;
        // The socket may still hold the piece when the next one is read.
        yield Buffer.from(piece);
      }
      if (left > 0) throw new WharfError("conflict", { what: "file", from: "shorter than it was", to: "sent whole" });
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/** One range, its end not included. What is no single range of bytes is no range, as HTTP has it. */
export function parseRange(
  header: string | undefined,
  size: number,
): { from: number; to: number } | "unsatisfiable" | undefined {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [, first = "", last = ""] = found ?? [];
  if (!found || (first === "" && last === "")) return undefined;
  if (first === "") {
    const from = Math.max(0, size - Number(last));
    return from === size ? "unsatisfiable" : { from, to: size };
  }
  const from = Number(first);
  const to = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < from) return undefined;
  return from >= size ? "unsatisfiable" : { from, to };
}
