import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { toWharfError, WharfError, type Endpoint } from "@wharf/contract";
import { readJsonBody } from "./json-body.ts";
import { streamNdjson } from "./ndjson.ts";
import { parseValue } from "./parse.ts";
import type { RawHandler } from "./raw-routes.ts";
import type { RouteHandlers } from "./route-handlers.ts";

/**
 * Serves the contract's routes with node:http. zod validates them: a framework would add nothing
 * but a tenth of the daemon's memory and a third of its start time.
 */

const keepAliveIntervalMs = 5_000;

interface RequestParts {
  params?: unknown;
  query?: unknown;
  body?: unknown;
}

interface ApiRoute {
  readonly endpoint: Endpoint;
  readonly pattern: RegExp;
  readonly handle: (input: RequestParts, signal: AbortSignal) => unknown;
}

interface EndpointServerOptions {
  readonly routes: readonly ApiRoute[];
  /** Routes of raw bytes, which are tried first. */
  readonly raw: readonly RawHandler[];
  /** Receives unexpected errors with the reference that the caller got. */
  readonly onInternal: (reference: string, error: unknown) => void;
}

export function createRoutes<Api extends Readonly<Record<string, Endpoint>>>(
  api: Api,
  handlers: RouteHandlers<Api>,
): readonly ApiRoute[] {
  return Object.entries(api).map(([name, endpoint]): ApiRoute => {
    // The parts come from the same schemas as the handler's type; the type of a record entry cannot
    // show that.
    const handle = handlers[name] as ApiRoute["handle"];
    return { endpoint, handle, pattern: toPattern(endpoint.path) };
  });
}

/** Creates a server that never listens: its owner passes connections to it. */
export function createEndpointServer({ routes, raw, onInternal }: EndpointServerOptions): Server {
  // Only the server ends idle streams: a request must not meet a stream that ends.
  return createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, (request, response) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const rawAnswer = raw.map((handler) => handler(request, response)).find((answering) => answering !== undefined);
    (rawAnswer ?? handleRequest(routes, request, response)).catch((thrown: unknown) => {
      // Cut a response that has begun, so that the caller never takes it as complete.
      if (response.headersSent) return response.destroy();
      const reference = randomUUID();
      const error = toWharfError(thrown, reference);
      if (error.code === "internal") onInternal(reference, thrown);
      const problem = error.toProblem();
      // Leave the rest of the body unread.
      if (!request.complete) response.setHeader("connection", "close");
      sendJson(response, { status: problem.status, type: "application/problem+json", value: problem });
    });
  });
}

async function handleRequest(
  routes: readonly ApiRoute[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
  const route = routes.find(({ endpoint, pattern }) => endpoint.method === request.method && pattern.test(path));
  if (!route) throw new WharfError("route_not_found", { method: request.method ?? "", path });
  const { endpoint } = route;
  const disconnect = new AbortController();
  response.once("close", () => disconnect.abort(new Error("the client disconnected")));
  const parts: RequestParts = {};
  if (endpoint.params) parts.params = parseValue(endpoint.params, parseParams(route.pattern, path));
  if (endpoint.query) parts.query = parseValue(endpoint.query, parseQuery(search));
  if (endpoint.body) parts.body = parseValue(endpoint.body, await readJsonBody(request));
  const value = await route.handle(parts, disconnect.signal);
  const status = endpoint.status ?? 200;
  if (typeof endpoint.response !== "string") {
    return sendJson(response, { status, type: "application/json", value: endpoint.response.parse(value) });
  }
  response.writeHead(status, { "content-type": "application/x-ndjson" });
  await pipeline(streamNdjson(value as AsyncIterable<unknown>, keepAliveIntervalMs), response);
}

function sendJson(
  response: ServerResponse,
  { status, type, value }: { status: number; type: string; value: unknown },
): void {
  const text = JSON.stringify(value);
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

const toPattern = (path: string): RegExp => new RegExp(`^${path.replace(/:([a-z_]+)/g, "(?<$1>[^/]+)")}$`);

function parseParams(pattern: RegExp, path: string): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(pattern.exec(path)?.groups ?? {})) {
    try {
      params[name] = decodeURIComponent(value);
    } catch (error) {
      throw new WharfError(
        "bad_request",
        { issues: [{ path: name, message: "is not valid in a URL" }] },
        { cause: error },
      );
    }
  }
  return params;
}

function parseQuery(search: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  const searchParams = new URLSearchParams(search);
  for (const name of new Set(searchParams.keys())) {
    const values = searchParams.getAll(name);
    query[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return query;
}
