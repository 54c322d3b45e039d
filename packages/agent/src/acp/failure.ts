import { randomUUID } from "node:crypto";
import { RequestError } from "@agentclientprotocol/sdk";
import { toWharfError, WharfError } from "@wharf/contract";

const internalError = -32603; // JSON-RPC

/** An error as the client gets it: words in the message, the whole problem with its next step in the data. */
export function toRequestError(thrown: unknown): RequestError {
  if (thrown instanceof RequestError) return thrown;
  if (thrown instanceof WharfError && thrown.code === "not_found")
    return new RequestError(-32002, thrown.message, thrown.toProblem());
  const error = toWharfError(thrown, randomUUID());
  // An error nobody foresaw has no server's log to be looked up in: its own words go along.
  const message =
    error.code === "internal" && thrown instanceof Error ? `${error.message} ${thrown.message}` : error.message;
  return new RequestError(internalError, message, error.toProblem());
}
