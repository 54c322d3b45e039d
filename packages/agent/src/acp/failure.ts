import { randomUUID } from "node:crypto";
import { RequestError } from "@agentclientprotocol/sdk";
import { toWharfError, WharfError } from "@wharf/contract";

// JSON-RPC defines this code.
const internalError = -32603;

/**
 * Converts an error for the client: the message is text, and the data holds the whole problem with
 * its next step.
 */
export function toRequestError(thrown: unknown): RequestError {
  if (thrown instanceof RequestError) return thrown;
  if (thrown instanceof WharfError && thrown.status === 404)
    return new RequestError(-32002, thrown.message, thrown.toProblem());
  const error = toWharfError(thrown, randomUUID());
  // No server log explains an unexpected error, so the message includes the original text.
  const message =
    error.code === "internal" && thrown instanceof Error ? `${error.message} ${thrown.message}` : error.message;
  return new RequestError(internalError, message, error.toProblem());
}
