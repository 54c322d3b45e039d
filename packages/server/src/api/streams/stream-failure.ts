import { randomUUID } from "node:crypto";
import { type RemoteError, toWharfError, type WharfError } from "@wharf/contract";
import type { FastifyBaseLogger } from "fastify";
import { toDatabaseError } from "../http/errors.ts";

export type FailureLogger = Pick<FastifyBaseLogger, "error">;

/**
 * Converts an error for a client of a stream. A bug in Wharf is logged with the reference that the
 * client gets.
 */
export function toStreamError(thrown: unknown, logger: FailureLogger): WharfError | RemoteError {
  const reference = randomUUID();
  const error = toDatabaseError(thrown) ?? toWharfError(thrown, reference);
  if (error.code === "internal") logger.error({ err: thrown, reference }, "a stream failed inside Wharf");
  return error;
}
