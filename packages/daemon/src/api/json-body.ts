import type { IncomingMessage } from "node:http";
import { WharfError } from "@wharf/contract";

const maxBodyBytes = 16 * 1024 * 1024;

/** Reads the request's body as JSON, or undefined if the body is empty. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += bytes.length;
    if (size > maxBodyBytes) throw new WharfError("body_too_large", { limit_bytes: maxBodyBytes });
    chunks.push(bytes);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new WharfError("bad_request", { issues: [{ path: "", message: "the body is not JSON" }] }, { cause: error });
  }
}
