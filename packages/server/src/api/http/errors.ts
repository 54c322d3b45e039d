import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { type RemoteError, toWharfError, WharfError } from "@wharf/contract";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isDatabaseUnavailable, isDatabaseFull } from "../../store/index.ts";
import { isDocumented } from "../openapi/documented-errors.ts";
import { findOperation } from "./audited-operation.ts";
import { discardBody } from "./discard-body.ts";
import { HeldElsewhereError, type Peers } from "./peers.ts";

/** Sends every error as problem+json from the catalogue, regardless of what was thrown. */
export function setErrorHandlers(app: FastifyInstance, limits: { bodyBytes: number; peers?: Peers | undefined }): void {
  const { peers } = limits;
  app.setErrorHandler((thrown: FastifyError | HeldElsewhereError, request, reply) => {
    if (thrown instanceof HeldElsewhereError)
      return peers
        ?.forwardRequest(thrown, request, reply)
        .catch((error: unknown) => sendProblem(reply, toWharfError(error, "")));
    const error = toCatalogueError(thrown, request, limits);
    if (!isDocumented(request, error.code))
      request.log.error({ operation: findOperation(request).action, code: error.code }, undocumentedErrorMessage);
    const sendAnswer = () => sendProblem(reply, error);
    if (error.code === "body_too_large") void discardBody(request.raw).then(sendAnswer);
    else sendAnswer();
  });
  app.setNotFoundHandler((request) => {
    throw new WharfError("route_not_found", { method: request.method, path: request.url.split("?")[0] ?? "" });
  });
}

/** Tests look for this in the server's log. */
const undocumentedErrorMessage = "an operation answers an error that the OpenAPI document does not list for it";

/** Converts whatever was thrown into an error of the catalogue, and logs an internal one. */
export function toCatalogueError(
  thrown: FastifyError,
  request: FastifyRequest,
  limits: { bodyBytes: number },
): WharfError | RemoteError {
  const reference = randomUUID();
  const error =
    toRequestError(thrown, {
      bodyBytes: request.routeOptions.bodyLimit ?? limits.bodyBytes,
      contentType: request.headers["content-type"] ?? "",
    }) ??
    toDatabaseError(thrown) ??
    toWharfError(thrown, reference);
  if (error.code === "internal") request.log.error({ err: thrown, reference }, "a request failed inside Wharf");
  return error;
}

export function sendProblem(reply: FastifyReply, error: WharfError | RemoteError): void {
  const problem = error.toProblem();
  const retryAfterSeconds = problem.context?.["retry_after_s"];
  if (typeof retryAfterSeconds === "number") void reply.header("retry-after", retryAfterSeconds);
  void reply
    .header("x-content-type-options", "nosniff")
    .status(problem.status)
    .type("application/problem+json")
    .serializer(JSON.stringify)
    .send(problem);
}

const createAddressError = (message: string) => new WharfError("bad_request", { issues: [{ path: "", message }] });

/** Handles URLs that the router refuses because no route could have them. */
export function refuseAddress(thrown: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  const isLong = thrown.code === "FST_ERR_MAX_PARAM_LENGTH";
  sendProblem(reply, createAddressError(`the address ${isLong ? "has a part that is too long" : "is malformed"}`));
}

/** Answers bytes that are not an HTTP request: there is a socket, but no request. */
export function refuseBytes(thrown: Error & { code?: string }, socket: Socket): void {
  if (thrown.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const problem = createAddressError("it is not an HTTP request, or its head is too large").toProblem();
  const body = JSON.stringify(problem);
  const head = [
    "HTTP/1.1 400 Bad Request",
    "content-type: application/problem+json",
    "x-content-type-options: nosniff",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/**
 * Converts errors of a database that is unavailable or full, which a client may retry. Any other
 * failed statement is a bug in Wharf.
 */
export function toDatabaseError(thrown: unknown): WharfError | undefined {
  if (isDatabaseFull(thrown)) return new WharfError("disk_full", { path: "the database's folder" }, { cause: thrown });
  if (!isDatabaseUnavailable(thrown)) return undefined;
  return new WharfError("database_unavailable", { reason: "it is restarting" }, { cause: thrown });
}

function toRequestError(
  thrown: FastifyError,
  limits: { bodyBytes: number; contentType: string },
): WharfError | undefined {
  if (thrown.code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new WharfError("body_too_large", { limit_bytes: limits.bodyBytes });
  if (thrown.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    return new WharfError("unsupported_media_type", { type: limits.contentType.slice(0, 100) });
  if (typeof thrown.code !== "string" || !thrown.code.startsWith("FST_") || (thrown.statusCode ?? 500) >= 500)
    return undefined;
  return new WharfError("bad_request", { issues: [{ path: "", message: thrown.message }] });
}
