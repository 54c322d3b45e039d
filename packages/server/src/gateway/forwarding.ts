import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { getConnectionHeaders } from "@wharf/contract/wire";

/** Headers that only concern the way between the runner and the server. */
const ownHeaders = new Set(["forwarded", "via", "x-wharf-request-id"]);

function getEndToEndHeaders({ headers, headersDistinct }: IncomingMessage): OutgoingHttpHeaders {
  const connectionHeaders = getConnectionHeaders(headers.connection);
  const isForwarded = (name: string) => !ownHeaders.has(name) && !connectionHeaders.has(name);
  return Object.fromEntries(Object.entries(headersDistinct).filter(([name]) => isForwarded(name)));
}

/** Returns the headers for the host. Wharf frames the body itself. */
export function createForwardHeaders(req: IncomingMessage, host: string): OutgoingHttpHeaders {
  const { host: _, "content-length": length, ...headers } = getEndToEndHeaders(req);
  const isChunked = req.headers["transfer-encoding"] !== undefined;
  const framing = isChunked
    ? { "transfer-encoding": "chunked" }
    : length === undefined
      ? {}
      : { "content-length": Number(req.headers["content-length"]) };
  return { ...headers, host, ...framing, connection: "close" };
}

/** Returns the headers for the runner. */
export const createReturnHeaders = (response: IncomingMessage): OutgoingHttpHeaders => getEndToEndHeaders(response);
