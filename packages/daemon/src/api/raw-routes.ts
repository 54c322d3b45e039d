import type { IncomingMessage, ServerResponse } from "node:http";
import type { Endpoint } from "@wharf/contract";
import type { z } from "zod";
import { parseValue } from "./parse.ts";

/** Routes whose body or response is raw bytes get the request as it is, with a validated query. */

export interface RawExchange<Query> {
  readonly query: Query;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal;
}

/**
 * A handler that sends bytes writes the response itself; any other handler's return value is sent
 * as JSON.
 */
export type RawRouteHandlers<Api extends Readonly<Record<string, Endpoint>>> = {
  readonly [K in keyof Api]: (
    exchange: RawExchange<Api[K]["query"] extends z.ZodType ? z.output<Api[K]["query"]> : unknown>,
  ) => Promise<Api[K]["response"] extends z.ZodType ? z.input<Api[K]["response"]> : void>;
};

/**
 * Handles requests for these routes and returns undefined for any other request. After a failure in
 * mid-response, the caller of the handler has to cut the response.
 */
export type RawHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | undefined;

export function createRawHandler<Api extends Readonly<Record<string, Endpoint>>>(
  api: Api,
  handlers: RawRouteHandlers<Api>,
): RawHandler {
  return (request, response) => {
    const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
    for (const [name, route] of Object.entries(api)) {
      if (route.method !== request.method || route.path !== path) continue;
      // The query comes from the same schema as the handler's type; the type of a record entry
      // cannot show that.
      const handle = handlers[name] as (exchange: RawExchange<unknown>) => Promise<unknown>;
      return serveRoute(route, handle, { request, response, search });
    }
    return undefined;
  };
}

async function serveRoute(
  route: Endpoint,
  handle: (exchange: RawExchange<unknown>) => Promise<unknown>,
  { request, response, search }: { request: IncomingMessage; response: ServerResponse; search: string },
): Promise<void> {
  const query = route.query && parseValue(route.query, Object.fromEntries(new URLSearchParams(search)));
  const disconnect = new AbortController();
  response.once("close", () => disconnect.abort(new Error("the client disconnected")));
  const value = await handle({ query, request, response, signal: disconnect.signal });
  if (typeof route.response === "string") return;
  const text = JSON.stringify(route.response.parse(value));
  response.writeHead(route.status ?? 200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
