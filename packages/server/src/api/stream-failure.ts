import { randomUUID } from "node:crypto";
import { type RemoteError, toWharfError, type WharfError } from "@wharf/contract";
import type { FastifyBaseLogger } from "fastify";
import { toDatabaseError } from "./errors.ts";

export type FailureLogger = Pick<FastifyBaseLogger, "error">;

/** What a client of a stream is told of an error. A fault of ours is logged under the reference that it names. */
export function toStreamError(thrown: unknown, logger: FailureLogger): WharfError | RemoteError {
  const reference = randomUUID();
  const error = toDatabaseError(thrown) ?? toWharfError(thrown, reference);
  if (error.code === "internal") logger.error({ err: thrown, reference }, "a stream failed inside Wharf");
  return error;
}
