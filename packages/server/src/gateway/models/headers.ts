import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { getConnectionHeaders } from "@wharf/contract/wire";
import type { SecretMatcher } from "../../redaction/index.ts";

/**
 * Headers that the gateway or the request's framing sets, credentials, and headers that reveal the
 * origin of the request.
 */
const neverSent = new Set([
  "host",
  "content-length",
  "accept-encoding",
  "authorization",
  "x-api-key",
  "x-goog-api-key",
  "api-key",
  "cookie",
  "cookie2",
  "x-goog-iam-authorization-token",
  "x-goog-user-project",
  "x-amz-security-token",
  "forwarded",
  "via",
  "x-real-ip",
  // These would make another call of the one that was checked.
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
]);
/** Headers that concern only the server, or would redirect the agent. */
const neverReturned = new Set([
  "set-cookie",
  "set-cookie2",
  "alt-svc",
  "location",
  "refresh",
  "content-encoding",
  "www-authenticate",
]);

/**
 * Returns the headers for the model's server. The gateway requests uncompressed content, so that it
 * can inspect the stream.
 */
export function createRequestHeaders(
  incomingHeaders: IncomingHttpHeaders,
  key: Record<string, string>,
): OutgoingHttpHeaders {
  const connectionHeaders = getConnectionHeaders(incomingHeaders.connection);
  const forwardedEntries = Object.entries(incomingHeaders).filter(
    ([name]) => !neverSent.has(name) && !name.startsWith("x-forwarded-") && !connectionHeaders.has(name),
  );
  return { ...Object.fromEntries(forwardedEntries), "accept-encoding": "identity", ...key };
}

/** Returns the headers for the runner. The gateway never passes on trailers. */
export function createResponseHeaders(
  incomingHeaders: IncomingHttpHeaders,
  matcher: SecretMatcher,
): OutgoingHttpHeaders {
  const connectionHeaders = getConnectionHeaders(incomingHeaders.connection);
  const encoded = isEncoded(incomingHeaders);
  const isKept = (name: string) =>
    !neverReturned.has(name) &&
    !connectionHeaders.has(name) &&
    !(encoded && name === "content-length") &&
    matcher.redactText(name) === name;
  const hideSecret = (value: string) => matcher.redactText(value);
  return Object.fromEntries(
    Object.entries(incomingHeaders)
      .filter(([name]) => isKept(name))
      .map(([name, value]) => [name, Array.isArray(value) ? value.map(hideSecret) : hideSecret(value ?? "")]),
  );
}

export const isEncoded = (headers: IncomingHttpHeaders): boolean =>
  !["", "identity"].includes((headers["content-encoding"] ?? "").toLowerCase());
