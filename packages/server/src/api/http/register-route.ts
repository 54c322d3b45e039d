import { Readable } from "node:stream";
import type { Endpoint, EndpointOutput, RouteNeed, ServerEndpoint } from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { AccessTime, Caller, Scope } from "../../access/index.ts";
import { type ExpectedVersions, runWithCommitHook } from "../../store/index.ts";
import { setRowVersion } from "./entity-tags.ts";
import { listAnswerTypes } from "./negotiation.ts";
import { readSelectedFields, selectFields } from "./select-fields.ts";
import { requireStorable } from "./validate-storable.ts";
import { toWireValue } from "./wire-value.ts";

type SchemaOutput<S> = S extends z.ZodType ? z.output<S> : undefined;
type EndpointPart<E, K extends string> = K extends keyof E ? SchemaOutput<E[K]> : undefined;

export interface EndpointCall<E extends Endpoint> {
  readonly params: EndpointPart<E, "params">;
  readonly query: EndpointPart<E, "query">;
  readonly body: EndpointPart<E, "body">;
  readonly scope: Scope;
  /** The versions that `If-Match` accepts. */
  readonly expected: ExpectedVersions;
}

/**
 * Rows may hold dates and nulls where the wire has text and missing fields; `toWireValue` converts
 * them.
 */
type RowLike<T> = T extends readonly (infer I)[]
  ? readonly RowLike<I>[]
  : T extends object
    ? { [K in keyof T]: RowLike<T[K]> | Date | null }
    : T;

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route of the contract. */
    endpoint?: ServerEndpoint;
    /** What the route needs; without it, any valid token. */
    needs?: RouteNeed;
    /** Whether a request may last, so that it ends when its sender loses access. */
    isWatched?: boolean;
  }
  interface FastifyRequest {
    /** The address of the client, also behind a trusted proxy. */
    readonly clientAddress: string;
    /** The sender, also of a request that its scope refuses. */
    caller?: Caller;
    /** The versions that `If-Match` accepts. */
    expectedVersions: ExpectedVersions;
    /** Absent for a route that needs nothing. */
    scope: Scope;
    /** The time before the sender was authenticated, for `AccessWatch`. */
    accessTime: AccessTime;
  }
}

/** Serves one route of the contract, whose schemas validate requests and strip responses. */
export function registerRoute<E extends ServerEndpoint>(
  app: FastifyInstance,
  route: E,
  handler: (call: EndpointCall<E>, reply: FastifyReply) => Promise<RowLike<EndpointOutput<E>>>,
  {
    isWatched = false,
    ...options
  }: {
    /** The limit in bytes, for routes with larger bodies than others. */
    readonly bodyLimit?: number;
    /** Whether requests may last. */
    readonly isWatched?: boolean;
  } = {},
): void {
  const { method, path, params, query, body, response, status = 200, needs } = route;
  const answer = typeof response === "string" ? {} : { response: { [status]: response } };
  app.route({
    ...options,
    method,
    url: path,
    config: { endpoint: route, needs, isWatched },
    schema: {
      ...(params && { params }),
      ...(query && { querystring: query }),
      ...(body && { body }),
      ...answer,
    },
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      if (request.method === "HEAD" && isFollowed(route)) return sendHead(route, reply);
      // The contract's schemas have parsed these three; Fastify's types cannot express that for a
      // route passed as a value.
      const call = {
        params: request.params,
        query: request.query,
        body: request.body,
        scope: request.scope,
        expected: request.expectedVersions,
      } as EndpointCall<E>;
      for (const part of [call.params, call.query, call.body]) requireStorable(part);
      const { commitHook } = request;
      const run = () => handler(call, reply);
      const result = await (commitHook ? runWithCommitHook(commitHook, run) : run());
      // The handler of a stream has sent it.
      if (response === "stream") return reply;
      setRowVersion(reply, result);
      const names = readSelectedFields(request.query);
      if (names && typeof response === "object")
        reply
          .type("application/json; charset=utf-8")
          .serializer((data: unknown) => JSON.stringify(selectFields(route, response.parse(toWireValue(data)), names)));
      return reply.status(status).send(response === "none" ? undefined : result);
    },
  });
}

/** Whether an answer may have no end, so that HEAD must not begin to read it. */
const isFollowed = ({ response, hasRanges = false }: ServerEndpoint): boolean => response === "stream" && !hasRanges;

/** Sends no length, because that of the answer is not known. */
const sendHead = (route: ServerEndpoint, reply: FastifyReply): FastifyReply =>
  reply.type(route.responseType ?? listAnswerTypes(route)[0] ?? "").send(Readable.from([]));
