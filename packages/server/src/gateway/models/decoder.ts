import type { IncomingHttpHeaders } from "node:http";
import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { isEncoded } from "./headers.ts";

/**
 * Some servers compress although the request forbids it, and the gateway cannot search compressed
 * content.
 */
export function createDecoder(headers: IncomingHttpHeaders): Transform | "unknown" | undefined {
  if (!isEncoded(headers)) return undefined;
  const encoding = headers["content-encoding"]?.toLowerCase();
  if (encoding === "gzip" || encoding === "x-gzip") return createGunzip();
  if (encoding === "br") return createBrotliDecompress();
  if (encoding === "deflate") return createInflate();
  if (encoding === "zstd") return createZstdDecompress();
  return "unknown";
}
