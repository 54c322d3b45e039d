import { createHash } from "node:crypto";
import { getAuditPolicy, getIdempotency, type ServerEndpoint, WharfError } from "@wharf/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Attempt, IdempotencyKeys, StoredAnswer } from "../../access/index.ts";
import type { CommitHook } from "../../store/index.ts";
import { toWireValue } from "./wire-value.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The right to execute a request with `Idempotency-Key`. */
    attempt?: Attempt;
    /** Ends each transaction of such a request. */
    commitHook?: CommitHook;
  }
}

export interface IdempotencyOptions {
  readonly keys: IdempotencyKeys;
  /** Whether another server of the installation has forwarded a request and stores its answer. */
  readonly isStoredElsewhere: (request: FastifyRequest) => boolean;
  /** Throws if the sender no longer sees what a request names. */
  readonly requireAccess: (request: FastifyRequest) => Promise<void>;
}

/** Executes a POST with `Idempotency-Key` once, and answers the same again. */
export function serveIdempotency(
  app: FastifyInstance,
  { keys, isStoredElsewhere, requireAccess }: IdempotencyOptions,
): void {
  app.addHook("preHandler", async (request, reply) => {
    const { endpoint } = request.routeOptions.config;
    const key = request.headers["idempotency-key"];
    if (key === undefined || endpoint?.method !== "POST" || isStoredElsewhere(request)) return;
    const { path } = endpoint;
    if (getIdempotency(endpoint) === "unsupported")
      throw new WharfError("idempotency_unsupported", { method: "POST", path });
    if (typeof key !== "string" || !/^[\x21-\x7e]{1,255}$/.test(key))
      throw new WharfError("idempotency_key_invalid", { value: String(key).slice(0, 100) });
    const begun = await keys.begin({
      userId: request.scope.user_id,
      key,
      fingerprint: createFingerprint(request),
      actsOutside: getAuditPolicy(endpoint) === "begun",
    });
    if ("status" in begun) {
      await requireAccess(request);
      requireAnswer(endpoint, begun);
      void reply.header("idempotency-replayed", "true").status(begun.status);
      if (begun.body === null) return reply.send();
      const type = begun.status < 400 ? "application/json; charset=utf-8" : "application/problem+json";
      return reply.type(type).serializer(String).send(begun.body);
    }
    request.attempt = begun;
    request.commitHook = (tx, result) => keys.markExecuted(tx, begun, predictAnswer(endpoint, result));
    return undefined;
  });

  app.addHook("onSend", async (request, reply, payload) => {
    const { attempt, routeOptions } = request;
    if (!attempt || !routeOptions.config.endpoint) return payload;
    delete request.attempt;
    const { statusCode: status } = reply;
    if (status >= 400 && (await keys.release(attempt))) return payload;
    const isStored = typeof payload === "string" && getIdempotency(routeOptions.config.endpoint) === "answer";
    await keys.complete(attempt, { status, body: isStored ? payload : null });
    return payload;
  });
}

/** Throws if an answer should have a body that was not stored. */
function requireAnswer(endpoint: ServerEndpoint, { body }: StoredAnswer): void {
  if (body !== null || endpoint.response === "none") return;
  const hasSecret = getIdempotency(endpoint) === "once";
  const reason = hasSecret ? "its answer has a secret, which is not stored" : "its answer was too large to be stored";
  throw new WharfError("idempotency_answer_missing", { reason });
}

/**
 * Returns the answer if the result of a transaction already is one, such as a created row: it is
 * stored together with what it describes, and a crash cannot divide them.
 */
function predictAnswer(endpoint: ServerEndpoint, result: unknown): StoredAnswer | undefined {
  const { response, status = 200 } = endpoint;
  if (typeof response === "string" || getIdempotency(endpoint) !== "answer") return undefined;
  const answer = response.safeParse(toWireValue(result));
  return answer.success ? { status, body: JSON.stringify(answer.data) } : undefined;
}

/** The body was parsed, so the same content has the same hash in any spelling. */
const createFingerprint = ({ url, body, scope }: FastifyRequest): string =>
  createHash("sha256")
    .update(JSON.stringify([scope.organization_id, url, body ?? null]))
    .digest("base64url");
