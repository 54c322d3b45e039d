import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { toWharfError, WharfError, type Endpoint } from "@wharf/contract";
import { readJson } from "./body.ts";
import type { HandlersOf } from "./handlers-of.ts";
import { ndjson } from "./ndjson.ts";
import { parse } from "./parse.ts";
import type { RawHandler } from "./raw-routes.ts";

/**
 * Serves the contract's routes with node:http. zod validates them: a framework would add
 * nothing but a tenth of the daemon's memory and a third of its start.
 */

const SIGN_OF_LIFE = 5_000; // ms

interface Parts {
  params?: unknown;
  query?: unknown;
  body?: unknown;
}

interface Route {
  readonly endpoint: Endpoint;
  readonly pattern: RegExp;
  readonly handle: (input: Parts, signal: AbortSignal) => unknown;
}

interface ServeOptions {
  readonly routes: readonly Route[];
  /** Routes of raw bytes, asked first. */
  readonly raw: readonly RawHandler[];
  /** Told of what nobody foresaw, under the reference that the caller got. */
  readonly onInternal: (reference: string, error: unknown) => void;
}

export function routesOf<Api extends Readonly<Record<string, Endpoint>>>(
  api: Api,
  handlers: HandlersOf<Api>,
): readonly Route[] {
  return Object.entries(api).map(([name, endpoint]): Route => {
    // The parts are made by the schemas that the handler's type is made of; an entry of a record cannot show that.
    const handle = handlers[name] as Route["handle"];
    return { endpoint, handle, pattern: patternOf(endpoint.path) };
  });
}

/** A server for connections that are given to it; nobody has to let it listen. */
export function serveEndpoints({ routes, raw, onInternal }: ServeOptions): Server {
  return createServer({ requestTimeout: 0 }, (request, response) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const taken = raw.map((handler) => handler(request, response)).find((answering) => answering !== undefined);
    (taken ?? answer(routes, request, response)).catch((thrown: unknown) => {
      // An answer that has begun is cut, so that it is never taken as complete.
      if (response.headersSent) return response.destroy();
      const reference = randomUUID();
      const error = toWharfError(thrown, reference);
      if (error.code === "internal") onInternal(reference, thrown);
      const problem = error.toProblem();
      // What is left of the body is not read.
      if (!request.complete) response.setHeader("connection", "close");
      sendJson(response, { status: problem.status, type: "application/problem+json", value: problem });
    });
  });
}

async function answer(routes: readonly Route[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
  const route = routes.find(({ endpoint, pattern }) => endpoint.method === request.method && pattern.test(path));
  if (!route) throw new WharfError("not_found", { what: "route", id: `${request.method} ${path}` });
  const { endpoint } = route;
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the caller left")));
  const parts: Parts = {};
  if (endpoint.params) parts.params = parse(endpoint.params, paramsOf(route.pattern, path));
  if (endpoint.query) parts.query = parse(endpoint.query, queryOf(search));
  if (endpoint.body) parts.body = parse(endpoint.body, await readJson(request));
  const value = await route.handle(parts, gone.signal);
  const status = endpoint.status ?? 200;
  if (typeof endpoint.response !== "string") {
    return sendJson(response, { status, type: "application/json", value: endpoint.response.parse(value) });
  }
  response.writeHead(status, { "content-type": "application/x-ndjson" });
  await pipeline(ndjson(value as AsyncIterable<unknown>, SIGN_OF_LIFE), response);
}

function sendJson(
  response: ServerResponse,
  { status, type, value }: { status: number; type: string; value: unknown },
): void {
  const text = JSON.stringify(value);
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

const patternOf = (path: string): RegExp => new RegExp(`^${path.replace(/:([a-z_]+)/g, "(?<$1>[^/]+)")}$`);

function paramsOf(pattern: RegExp, path: string): Record<string, string> {
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

function queryOf(search: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  const given = new URLSearchParams(search);
  for (const name of new Set(given.keys())) {
    const values = given.getAll(name);
    query[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return query;
}
