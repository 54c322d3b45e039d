import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { ModelRoute } from "../context.ts";

/** Query parameters in which programs of the three APIs put a key. */
const credentialParameters = new Set(["key", "api_key", "access_token", "oauth_token"]);

const getDigest = (text: string) => createHash("sha256").update(text).digest();

/**
 * Whether one of the usual places holds the run's token. The digests are compared, so that the
 * timing reveals nothing.
 */
export function hasToken(headers: IncomingHttpHeaders, query: string, token: string): boolean {
  if (token === "") return false;
  const bearer = /^bearer +(.+)$/i.exec(headers.authorization ?? "")?.[1];
  const candidates = [
    headers["x-goog-api-key"],
    headers["x-api-key"],
    bearer?.trim(),
    new URLSearchParams(query).get("key"),
  ];
  const expectedDigest = getDigest(token);
  return (
    candidates.filter((value) => typeof value === "string" && timingSafeEqual(getDigest(value), expectedDigest))
      .length > 0
  );
}

const getParameterName = (part: string) => new URLSearchParams(part).keys().next().value ?? "";

/** Returns the query unchanged except for parameters that could be credentials. */
export function removeCredentials(query: string): string {
  return query
    .split("&")
    .filter((part) => part !== "" && !credentialParameters.has(getParameterName(part).toLowerCase()))
    .join("&");
}

/** Returns the real key in the header that its API reads. */
export function createKeyHeader(api: ModelRoute["api"], key: string): Record<string, string> {
  if (api === "gemini") return { "x-goog-api-key": key };
  if (api === "anthropic") return { "x-api-key": key };
  return { authorization: `Bearer ${key}` };
}

/** Returns an error in the format that the API's own clients parse. */
export function createApiError(
  api: ModelRoute["api"],
  status: number,
  message: string,
): { error: object; type?: string } {
  if (api === "gemini") return { error: { code: status, message, status: toGeminiStatus(status) } };
  if (api === "anthropic") return { type: "error", error: { type: toErrorType(status, "billing_error"), message } };
  const type = toErrorType(status, "insufficient_quota");
  const code = status === 401 ? "invalid_api_key" : status === 402 ? type : null;
  return { error: { message, type, param: null, code } };
}

/** Both APIs name the kinds of errors alike, except for a lack of money. */
function toErrorType(status: number, moneyError: string): string {
  if (status === 401) return "authentication_error";
  if (status === 402) return moneyError;
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}

function toGeminiStatus(status: number): string {
  if (status === 401) return "UNAUTHENTICATED";
  if (status === 402) return "FAILED_PRECONDITION";
  if (status === 403) return "PERMISSION_DENIED";
  if (status === 429) return "RESOURCE_EXHAUSTED";
  return status < 500 ? "INVALID_ARGUMENT" : "UNAVAILABLE";
}
