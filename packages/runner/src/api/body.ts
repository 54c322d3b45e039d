import type { IncomingMessage } from "node:http";
import { WharfError } from "@wharf/contract";

const LIMIT = 16 * 1024 * 1024; // bytes

/** The request's body as JSON; nothing where it has none. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += bytes.length;
    if (size > LIMIT) throw new WharfError("body_too_large", { limit_bytes: LIMIT });
    chunks.push(bytes);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new WharfError("bad_request", { issues: [{ path: "", message: "the body is not JSON" }] }, { cause: error });
  }
}
