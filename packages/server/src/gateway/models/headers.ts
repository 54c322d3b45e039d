import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { SecretMatcher } from "./secret-matcher.ts";

const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
];

/** Set here or by the request's own framing, a credential, or something that tells where the request came from. */
const neverSent = new Set([
  ...hopByHop,
  "host",
  "content-length",
  "expect",
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
]);
/** Speaks to the server only, or would lead the agent elsewhere. */
const neverReturned = new Set([
  ...hopByHop,
  "set-cookie",
  "set-cookie2",
  "alt-svc",
  "location",
  "refresh",
  "content-encoding",
  "www-authenticate",
]);

const getConnectionHeaderNames = (headers: IncomingHttpHeaders) =>
  new Set(
    (headers.connection ?? "")
      .toLowerCase()
      .split(",")
      .map((name) => name.trim()),
  );

/** What goes on to the model's server. Content is asked for uncompressed, so that it can be read as it flows. */
export function createRequestHeaders(
  incomingHeaders: IncomingHttpHeaders,
  key: Record<string, string>,
): OutgoingHttpHeaders {
  const named = getConnectionHeaderNames(incomingHeaders);
  const forwardedEntries = Object.entries(incomingHeaders).filter(
    ([name]) => !neverSent.has(name) && !name.startsWith("x-forwarded-") && !named.has(name),
  );
  return { ...Object.fromEntries(forwardedEntries), "accept-encoding": "identity", ...key };
}

/** What comes back to the runner. Trailers never do: nothing passes them on. */
export function createResponseHeaders(
  incomingHeaders: IncomingHttpHeaders,
  secret: SecretMatcher,
): OutgoingHttpHeaders {
  const named = getConnectionHeaderNames(incomingHeaders);
  const encoded = isEncoded(incomingHeaders);
  const isKept = (name: string) =>
    !neverReturned.has(name) &&
    !named.has(name) &&
    !(encoded && name === "content-length") &&
    secret.redactText(name) === name;
  const hideSecret = (value: string) => secret.redactText(value);
  return Object.fromEntries(
    Object.entries(incomingHeaders)
      .filter(([name]) => isKept(name))
      .map(([name, value]) => [name, Array.isArray(value) ? value.map(hideSecret) : hideSecret(value ?? "")]),
  );
}

export const isEncoded = (headers: IncomingHttpHeaders): boolean =>
  !["", "identity"].includes((headers["content-encoding"] ?? "").toLowerCase());
