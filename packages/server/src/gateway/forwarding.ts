import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { getConnectionHeaders } from "@wharf/contract/wire";

/** Headers that only concern the way between the runner and the server. */
const ownHeaders = new Set(["forwarded", "via", "x-wharf-request-id"]);

function getEndToEndHeaders({ headers, headersDistinct }: IncomingMessage): OutgoingHttpHeaders {
  const connectionHeaders = getConnectionHeaders(headers.connection);
  const isForwarded = (name: string) => !ownHeaders.has(name) && !connectionHeaders.has(name);
  return Object.fromEntries(Object.entries(headersDistinct).filter(([name]) => isForwarded(name)));
}

/**
 * Returns the headers for the host. Wharf frames the body itself, as the request's own framing says
 * and whatever its header `connection` names: bytes after a body would be another request.
 */
export function createForwardHeaders(req: IncomingMessage, host: string): OutgoingHttpHeaders {
  const { "transfer-encoding": coding, "content-length": length } = req.headers;
  const framing =
    coding !== undefined
      ? { "transfer-encoding": "chunked" }
      : length !== undefined && { "content-length": Number(length) };
  return { ...getEndToEndHeaders(req), host, ...framing, connection: "close" };
}

/** Returns the headers for the runner. */
export const createReturnHeaders = (response: IncomingMessage): OutgoingHttpHeaders => getEndToEndHeaders(response);

/**
 * Whether a request announces a body. Node's parser has refused requests that announce it in two
 * ways.
 */
export const hasBody = (headers: IncomingHttpHeaders): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;

/**
 * Calls `handle` with the answer to a request. An answer that cannot be passed on is an error of
 * the request: Node.js throws for a status below 100, and it reports nothing of an answer that
 * changes the protocol.
 */
export function onceAnswered(request: ClientRequest, handle: (response: IncomingMessage) => void): void {
  request.once("response", (response) => {
    if ((response.statusCode ?? 0) >= 200) handle(response);
    else request.destroy(new Error("it answered with an invalid status"));
  });
  request.once("upgrade", (_response, socket) => {
    socket.destroy();
    request.emit("error", new Error("it changed to another protocol"));
  });
}
