import type { OutgoingHttpHeaders } from "node:http";

/**
 * Returns the framing of an outgoing request. Only POST carries a body, and Wharf always sets the
 * framing itself: the length of the body that it has read. Bytes that follow an unframed head would
 * be the next request on the connection.
 */
export const getFraming = (method: string, body: Buffer): OutgoingHttpHeaders =>
  method === "POST" ? { "content-length": body.length } : {};
