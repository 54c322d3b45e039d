import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { toWharfError, WharfError, type daemonApi, type Endpoint } from "@wharf/contract";
import type { z } from "zod";
import { readJson } from "./body.ts";
import { ndjson } from "./ndjson.ts";

/**
 * Serves the contract's routes with node:http. There are a dozen of them and zod validates them: a framework would add
 * nothing but a tenth of the daemon's memory and a third of its start.
 */

type DaemonApi = typeof daemonApi;
type Part<E, K extends "params" | "query" | "body"> = K extends keyof E
  ? E[K] extends z.ZodType
    ? { [P in K]: z.output<E[K]> }
    : unknown
  : unknown;
type Answer<E extends Endpoint> = E["response"] extends z.ZodType ? z.input<E["response"]> : AsyncIterable<unknown>;

/** What a route does with its validated parts. The signal says that the caller left; only streams end with it. */
type Handler<E extends Endpoint> = (
  input: Part<E, "params"> & Part<E, "query"> & Part<E, "body">,
  signal: AbortSignal,
) => Answer<E> | Promise<Answer<E>>;
export type DaemonHandlers = { readonly [K in keyof DaemonApi]: Handler<DaemonApi[K]> };

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
  readonly endpoints: DaemonApi;
  readonly handlers: DaemonHandlers;
  /** Told of what nobody foresaw, under the reference that the caller got. */
  readonly onInternal: (reference: string, error: unknown) => void;
}

/** A server for connections that are given to it; nobody has to let it listen. */
export function serveEndpoints({ endpoints, handlers, onInternal }: ServeOptions): Server {
  const routes = Object.entries(endpoints).map(([name, endpoint]): Route => {
    // The parts are made by the schemas that the handler's type is made of; an entry of a record cannot show that.
    const handle = handlers[name as keyof DaemonApi] as Route["handle"];
    return { endpoint, handle, pattern: patternOf(endpoint.path) };
  });
  return createServer({ requestTimeout: 0 }, (request, response) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    answer(routes, request, response).catch((thrown: unknown) => {
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
  const parts: Parts = {};
  if (endpoint.params) parts.params = parse(endpoint.params, paramsOf(route.pattern, path));
  if (endpoint.query) parts.query = parse(endpoint.query, queryOf(search));
  if (endpoint.body) parts.body = parse(endpoint.body, await readJson(request));
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the caller left")));
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

function parse(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}
