import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

/**
 * Whether a request announces a body. Node's parser has refused requests that announce it in two
 * ways.
 */
export const hasBody = (headers: IncomingHttpHeaders): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;

/**
 * Returns the framing of an outgoing request. Only POST carries a body, and Wharf always sets the
 * framing itself: the length of the body that it has read. Bytes that follow an unframed head would
 * be the next request on the connection.
 */
export const getFraming = (method: string, body: Buffer): OutgoingHttpHeaders =>
  method === "POST" ? { "content-length": body.length } : {};
