import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { buffer } from "node:stream/consumers";
import { type Endpoint, toWharfError, WharfError } from "@wharf/contract";
import type { z } from "zod";

type Part<E, K extends "params" | "query" | "body"> = K extends keyof E
  ? E[K] extends z.ZodType
    ? { [P in K]: z.output<E[K]> }
    : unknown
  : unknown;
type Given<E extends Endpoint> = Part<E, "params"> & Part<E, "query"> & Part<E, "body">;
type Reply<E extends Endpoint> = E["response"] extends z.ZodType ? z.input<E["response"]> : AsyncIterable<unknown>;

interface Parts {
  params?: unknown;
  query?: unknown;
  body?: unknown;
}

/** A route and what it does. The signal says that the caller left; only streams end with it. */
export interface Route {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly handle: (input: Parts, signal: AbortSignal) => unknown;
}

/** What stands between a request and its route: latency, failures, deliveries that come twice. */
export interface Conditions {
  before(route: string, signal: AbortSignal): Promise<void>;
  isDuplicated(route: string): boolean;
}

export function route<E extends Endpoint>(
  name: string,
  endpoint: E,
  handle: (input: Given<E>, signal: AbortSignal) => Reply<E> | Promise<Reply<E>>,
): Route {
  // The parts are made by the schemas that the handler's type is made of; an entry of a list cannot show that.
  return { name, endpoint, handle: handle as Route["handle"] };
}

const signOfLife = 5_000; // ms

export function serveRoutes(routes: readonly Route[], conditions: Conditions): Server {
  return createServer({ requestTimeout: 0 }, (request, response) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    answer(routes, conditions, { request, response }).catch((thrown: unknown) => {
      if (response.headersSent) return response.destroy();
      const problem = toWharfError(thrown, randomUUID()).toProblem();
      if (!request.complete) response.setHeader("connection", "close");
      send(response, { status: problem.status, value: problem });
    });
  });
}

async function answer(
  routes: readonly Route[],
  conditions: Conditions,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
  const found = routes.flatMap((one) => {
    const match = one.endpoint.method === request.method ? patternOf(one.endpoint.path).exec(path) : null;
    return match ? [{ one, groups: match.groups ?? {} }] : [];
  })[0];
  if (!found) throw new WharfError("not_found", { what: "route", id: `${request.method} ${path}` });
  const { endpoint, name, handle } = found.one;
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the caller left")));
  const parts: Parts = {};
  const params = Object.entries(found.groups).map(([key, value]) => [key, decodeURIComponent(value)]);
  if (endpoint.params) parts.params = parse(endpoint.params, Object.fromEntries(params));
  if (endpoint.query) parts.query = parse(endpoint.query, Object.fromEntries(new URLSearchParams(search)));
  if (endpoint.body) parts.body = parse(endpoint.body, jsonOf(await buffer(request)));
  await conditions.before(name, gone.signal);
  const twice = conditions.isDuplicated(name);
  const isStream = typeof endpoint.response === "string";
  const first = handle(parts, gone.signal);
  // The second delivery's answer goes nowhere, as it does in a network.
  if (twice && !isStream) void Promise.resolve(handle(parts, gone.signal)).catch(() => undefined);
  const value = await first;
  const status = endpoint.status ?? 200;
  if (typeof endpoint.response !== "string") return send(response, { status, value: endpoint.response.parse(value) });
  response.writeHead(status, { "content-type": "application/x-ndjson" });
  await pipeline(Readable.from(lines(value as AsyncIterable<unknown>, twice ? 2 : 1)), response);
}

/** Lines of JSON, begun by an empty one so that the answer begins before there is a value; another breaks each silence. */
async function* lines(values: AsyncIterable<unknown>, times: number): AsyncGenerator<string> {
  const iterator = values[Symbol.asyncIterator]();
  try {
    yield "\n";
    for (let next = iterator.next(); ;) {
      next.catch(() => undefined);
      const result = await within(next, signOfLife);
      if (!result) {
        yield "\n";
        continue;
      }
      if (result.done) return;
      yield `${JSON.stringify(result.value)}\n`.repeat(times);
      next = iterator.next();
    }
  } finally {
    // Not waited for: it may itself wait for something that comes only after this.
    iterator.return?.().catch(() => undefined);
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function send(response: ServerResponse, { status, value }: { status: number; value: unknown }): void {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": type }).end(JSON.stringify(value));
}

const patternOf = (path: string): RegExp => new RegExp(`^${path.replace(/:([a-z_]+)/g, "(?<$1>[^/]+)")}$`);

function jsonOf(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString());
  } catch (cause) {
    throw new WharfError("bad_request", { issues: [{ path: "", message: "the body is not JSON" }] }, { cause });
  }
}

function parse(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}
