import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";

/** Headers of one connection, and those between a program and its proxy. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
  "forwarded",
  "via",
  "x-wharf-request-id",
]);

function getEndToEndHeaders({ headers, headersDistinct }: IncomingMessage): OutgoingHttpHeaders {
  const named = new Set(
    (headers.connection ?? "")
      .toLowerCase()
      .split(",")
      .map((name) => name.trim()),
  );
  const entries = Object.entries(headersDistinct).filter(([name]) => !hopByHop.has(name) && !named.has(name));
  return Object.fromEntries(entries);
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
