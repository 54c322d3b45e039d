import { WharfError } from "@wharf/contract";
import { getErrorCode, getErrorMessage } from "../../std/errors.ts";

const missingCodes = new Set(["ENOENT"]);
const forbiddenCodes = new Set(["EACCES", "EPERM"]);
const unreachableCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ABORT_ERR",
]);
const tlsCodePattern = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|ERR_OSSL)/;

/** Returns the HTTP status of the engine's failure, where the engine answered at all. */
export function getStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}

/** Returns the engine's own message, without the client's prefix. */
export function formatEngineError(error: unknown): string {
  const message = getErrorMessage(error);
  return message.replace(/^\(HTTP code \d+\) [^-]*- /, "").trim() || "it reported no reason";
}

/**
 * Converts a failed call to the engine to a catalogue error, with the engine's message or the
 * reason why the engine was unreachable.
 */
export function toWharfError(error: unknown, address: string): WharfError {
  if (error instanceof WharfError) return error;
  const engine = "Docker";
  const reason = formatEngineError(error);
  const options = { cause: error };
  if (getStatus(error) !== undefined) {
    if (/no space left on device/i.test(reason))
      return new WharfError("disk_full", { path: `${engine}'s disk` }, options);
    if (/HTTP request to an HTTPS server/i.test(reason))
      return new WharfError("engine_tls", { engine, address, reason }, options);
    return new WharfError("backend_failed", { backend: "docker", reason }, options);
  }
  const code = getErrorCode(error) ?? "";
  if (missingCodes.has(code)) return new WharfError("engine_missing", { engine, address }, options);
  if (forbiddenCodes.has(code)) return new WharfError("engine_forbidden", { engine, address }, options);
  if (tlsCodePattern.test(code)) return new WharfError("engine_tls", { engine, address, reason }, options);
  if (unreachableCodes.has(code) || /socket hang up|authentication methods failed|Parse Error/i.test(reason))
    return new WharfError("engine_unreachable", { engine, address, reason }, options);
  return new WharfError("backend_failed", { backend: "docker", reason }, options);
}

const transientErrorCodes = new Set(["engine_missing", "engine_unreachable"]);

/**
 * Returns whether the engine may come back in a moment: it was reachable when the server started.
 */
export const isEngineUnreachable = (error: unknown): boolean =>
  error instanceof WharfError && transientErrorCodes.has(error.code);
