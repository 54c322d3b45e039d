import { once } from "node:events";
import { request as httpRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { Mux } from "@wharf/contract/wire";
import { getEndToEndHeaders } from "./headers.ts";
import type { RequestBody } from "./request-body.ts";

const requestIdHeader = "x-wharf-request-id";

/**
 * Describes the outcome of sending a request once over one wire. `answered`: the response began,
 * and is complete or was reset. `unsent`: the wire accepted no stream. `lost`: no byte of a
 * response arrived.
 */
export type SendResult = "answered" | "unsent" | "lost";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: RequestBody;
  readonly path: string;
  readonly id: string;
}

export async function sendRequest(mux: Mux, exchange: Exchange): Promise<SendResult> {
  const { request, response } = exchange;
  let upstream: ClientRequest;
  try {
    const stream = mux.open();
    upstream = httpRequest({
      method: request.method,
      path: exchange.path,
      headers: createHeaders(exchange),
      // Use a new stream for each request: a reused stream could close just as the next request is
      // written.
      createConnection: () => stream,
    });
  } catch {
    return "unsent";
  }
  // The awaits below report every failure.
  upstream.on("error", () => undefined);
  const destroyUpstream = (): void => void upstream.destroy();
  response.once("close", destroyUpstream);
  try {
    const responseEvent = once(upstream, "response");
    // A response may arrive before the body was sent, and a failure of the body shows in the
    // response.
    pipeline(exchange.body.read(), upstream).catch(() => undefined);
    const [incoming] = await responseEvent;
    await forwardResponse(incoming, response);
    return "answered";
  } catch {
    return response.headersSent ? "answered" : "lost";
  } finally {
    response.off("close", destroyUpstream);
    upstream.destroy();
  }
}

function createHeaders({ request, id }: Exchange): string[] {
  const headers = [...getEndToEndHeaders(request.rawHeaders, [requestIdHeader]), requestIdHeader, id];
  // HTTP/1.0 has no host header, but the forwarded request is HTTP/1.1.
  if (request.headers.host === undefined) headers.push("host", "gateway");
  if (request.headers["content-length"] !== undefined) return headers;
  const framing =
    request.headers["transfer-encoding"] === undefined ? ["content-length", "0"] : ["transfer-encoding", "chunked"];
  const bodiless = framing[0] === "content-length" && (request.method === "GET" || request.method === "HEAD");
  return bodiless ? headers : [...headers, ...framing];
}

/**
 * Forwards a response. A cut response is reset towards the client, so that the client never takes
 * it as complete.
 */
async function forwardResponse(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { socket } = response;
  const resetIfIncomplete = (): void => {
    if (!incoming.complete) socket?.resetAndDestroy();
  };
  incoming.once("error", resetIfIncomplete);
  incoming.once("close", resetIfIncomplete);
  response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? "", getEndToEndHeaders(incoming.rawHeaders));
  response.flushHeaders();
  await pipeline(incoming, response);
}
