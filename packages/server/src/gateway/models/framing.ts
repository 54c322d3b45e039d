import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

/** Whether a request announces a body. Node's parser has refused requests that announce it in two ways. */
export const hasBody = (headers: IncomingHttpHeaders): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;

/**
 * How a request is framed on its way out. Only POST carries a body, and its frame is always Wharf's own: the length as
 * Node's parser enforces it on the way in, else chunks. Bytes that follow an unframed head would be the next request on
 * the connection.
 */
export function getFraming(method: string, headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  if (method !== "POST") return {};
  if (headers["transfer-encoding"] !== undefined) return { "transfer-encoding": "chunked" };
  return { "content-length": Number(headers["content-length"] ?? 0) };
}
