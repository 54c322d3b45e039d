import { z } from "zod";
import type { ErrorCode } from "./errors/index.ts";
import type { RouteNeed } from "./permissions.ts";

/**
 * A route, declared once: the receiving side registers it with its validation, and the calling side
 * gets its types. A `response: "stream"` is a body that the caller reads as it arrives: NDJSON, or
 * bytes of the `responseType`.
 */
export interface Endpoint {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** A path with `:name` for parameters. */
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Status of a success. Defaults to 200. */
  readonly status?: number;
  readonly response: z.ZodType | "stream" | "none";
  /** The schema of each line of an NDJSON stream. */
  readonly line?: z.ZodType;
  /** Whether a caller of the server may ask for server-sent events in place of the lines. */
  readonly hasEvents?: true;
  /** The content type of a stream of bytes. */
  readonly responseType?: string;
  /** The content type of a request's body that is not JSON. */
  readonly bodyType?: string;
  /**
   * The answer carries the content of files or the output of programs: it may be large, is passed
   * on unchanged, and is never stored. Any other answer of a daemon is at most 1 MiB, and its texts
   * are made storable.
   */
  readonly carriesContent?: boolean;
  /** When the server writes a request to its audit log. @default `getAuditPolicy` */
  readonly audit?: AuditPolicy;
  /** Errors that the route can answer, besides those that `listErrors` derives from its parts. */
  readonly errors?: readonly ErrorCode[];
  /** Whether a request may ask for a part of the answer with the header `Range`. */
  readonly hasRanges?: boolean;
}

/**
 * `always`: each request that was allowed, with its result, and those that were not. `begun`: also
 * before it acts, because it acts outside the database. `counted`: their number, and the first one
 * at once. `denied`: only those that were not allowed.
 */
export type AuditPolicy = "always" | "begun" | "counted" | "denied";

/** Whatever can change something is audited; a new route cannot forget it. */
export const getAuditPolicy = ({ audit, method }: Endpoint): AuditPolicy =>
  audit ?? (method === "GET" ? "denied" : "always");

/** The answer of a route that has nothing to report. */
export const Ok = z.object({ ok: z.literal(true) });

/**
 * How a route that changes something treats `If-Match`. `version`: the transaction that makes the
 * change compares the version of the row. `file`: the daemon compares the tag of the file.
 * `unsupported`: the server refuses the header, because it compares nothing.
 */
export type IfMatch = "version" | "file" | "unsupported";

/**
 * What a POST does with `Idempotency-Key`. `answer`: a repeated request gets the stored answer.
 * `once`: it is refused, because the answer has a secret that is not stored. `unsupported`: the
 * route refuses the header.
 */
export type Idempotency = "answer" | "once" | "unsupported";

/** Streams are not stored, and a key belongs to a user. No POST can forget its key. */
export function getIdempotency({ method, needs, response, bodyType, idempotency }: ServerEndpoint): Idempotency {
  if (method !== "POST" || needs === "nothing" || response === "stream" || bodyType !== undefined) return "unsupported";
  return idempotency ?? "answer";
}

/** A route of the server, whose callers are people and programs. */
export interface ServerEndpoint extends Endpoint {
  /** The permission without which the server refuses a request. */
  readonly needs: RouteNeed;
  /** @default "unsupported" */
  readonly ifMatch?: IfMatch;
  /** @default `getIdempotency` */
  readonly idempotency?: Idempotency;
  /** Whether requests do not count for the limits of requests. */
  readonly isUncounted?: boolean;
  /** The field of the answer that has the rows, if the route is a list. */
  readonly items?: string;
}

/** A route that replaces, changes or deletes something does not compile without `ifMatch`. */
type ConcurrentEndpoint<Method> = Method extends "PUT" | "PATCH" | "DELETE" ? { readonly ifMatch: IfMatch } : unknown;

/** A WebSocket of the server. */
export interface SocketEndpoint {
  /** A path with `:name` for parameters. */
  readonly path: string;
  readonly summary: string;
  readonly needs: RouteNeed;
}

/** Keeps the literal types of a route's parts. */
export const createEndpoint = <const E extends ServerEndpoint>(route: E & ConcurrentEndpoint<E["method"]>): E => route;
export const createSocketEndpoint = <const E extends SocketEndpoint>(socket: E): E => socket;

/** Declares a route of the daemon, whose only caller is the server. */
export const createDaemonEndpoint = <const E extends Endpoint>(route: E): E => route;

/**
 * Declares a route of the server that does the same as a daemon's route `original`. The named parts
 * replace those of the original.
 */
export const aliasEndpoint = <
  E extends Endpoint,
  const C extends Partial<Endpoint> & Pick<ServerEndpoint, "path" | "needs" | "ifMatch">,
>(
  original: E,
  changes: C,
): Omit<E, keyof C> & C => ({ ...original, ...changes });

type SchemaInput<S> = S extends z.ZodType ? z.input<S> : undefined;
type RoutePart<E, K extends "params" | "query" | "body"> = K extends keyof E
  ? undefined extends SchemaInput<E[K]>
    ? { [P in K]?: SchemaInput<E[K]> }
    : Partial<SchemaInput<E[K]>> extends SchemaInput<E[K]>
      ? { [P in K]?: SchemaInput<E[K]> }
      : { [P in K]: SchemaInput<E[K]> }
  : unknown;

/**
 * The input of a call: only the parts that the route declares, optional if all their fields are.
 */
export type EndpointInput<E extends Endpoint> = RoutePart<E, "params"> & RoutePart<E, "query"> & RoutePart<E, "body">;

export type EndpointOutput<E extends Endpoint> = E["response"] extends z.ZodType ? z.output<E["response"]> : void;

/** Builds the path and query of one call. */
export function getEndpointUrl(
  route: Endpoint,
  input: { params?: Record<string, unknown>; query?: Record<string, unknown> },
): string {
  const path = route.path.replace(/:([a-z_]+)/g, (_, name: string) => encodeURIComponent(String(input.params?.[name])));
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(input.query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) query.append(key, String(one));
  }
  const search = query.toString();
  return search ? `${path}?${search}` : path;
}
