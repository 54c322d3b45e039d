import { WharfError } from "@wharf/contract";

const absent = new Set(["ENOENT"]);
const forbidden = new Set(["EACCES", "EPERM"]);
const away = new Set([
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
const tls = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|ERR_OSSL)/;

/** The engine's answer that was not what was asked for, where it gave one. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}

/** The engine's own words, without what its client puts around them. */
export function wordsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^\(HTTP code \d+\) [^-]*- /, "").trim() || "it gave no reason";
}

/** An error of a call to the engine as one of the catalogue: where it could not be reached, why; else what it said. */
export function explained(error: unknown, address: string): WharfError {
  if (error instanceof WharfError) return error;
  const engine = "Docker";
  const reason = wordsOf(error);
  const options = { cause: error };
  if (statusOf(error) !== undefined) {
    if (/no space left on device/i.test(reason))
      return new WharfError("disk_full", { path: `${engine}'s disk` }, options);
    if (/HTTP request to an HTTPS server/i.test(reason))
      return new WharfError("engine_tls", { engine, address, reason }, options);
    return new WharfError("backend_failed", { backend: "docker", reason }, options);
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (absent.has(code)) return new WharfError("engine_missing", { engine, address }, options);
  if (forbidden.has(code)) return new WharfError("engine_forbidden", { engine, address }, options);
  if (tls.test(code)) return new WharfError("engine_tls", { engine, address, reason }, options);
  if (away.has(code) || /socket hang up|authentication methods failed|Parse Error/i.test(reason))
    return new WharfError("engine_unreachable", { engine, address, reason }, options);
  return new WharfError("backend_failed", { backend: "docker", reason }, options);
}

const unreachable = new Set(["engine_missing", "engine_unreachable"]);

/** Whether the engine may be back in a moment: it was there when the server started. */
export const isAway = (error: unknown): boolean => error instanceof WharfError && unreachable.has(error.code);
