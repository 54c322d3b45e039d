import type { FastifyReply, FastifyRequest } from "fastify";

/** Answers of a browser are kept for this long, which is as long as any browser keeps them. */
const preflightSeconds = 7_200;

const allowedHeaders = [
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "if-range",
  "last-event-id",
  "range",
  "x-wharf-organization",
];

/** Headers of answers that a page of another site may read. */
const exposedHeaders = [
  "content-disposition",
  "content-range",
  "etag",
  "idempotency-replayed",
  "ratelimit",
  "ratelimit-policy",
  "retry-after",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
];

/**
 * Lets a page of another site read the answer. Only a page that the settings name may use the login
 * of its person: any page (`*`) may only send a token that it has.
 */
export function allowPage({ headers }: FastifyRequest, reply: FastifyReply, page: "any" | "named"): void {
  void reply.header("access-control-expose-headers", exposedHeaders.join(", "));
  if (page === "any") return void reply.header("access-control-allow-origin", "*");
  void reply
    .header("access-control-allow-origin", headers.origin)
    .header("access-control-allow-credentials", "true")
    .header("vary", "Origin");
}

/** Says which requests a page of another site may send to this path. */
export const describePreflight = (methods: readonly string[]): Record<string, string> => ({
  "access-control-allow-methods": methods.join(", "),
  "access-control-allow-headers": allowedHeaders.join(", "),
  "access-control-max-age": String(preflightSeconds),
});
