/** Headers of one connection, and those between a program and its proxy. */
const connectionHeaders: readonly string[] = [
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
  "expect",
];

/**
 * Returns the names, in lower case, of the headers that must not be forwarded with a message:
 * `connection` is its header of that name, which may name further ones.
 */
export function getConnectionHeaders(connection = ""): ReadonlySet<string> {
  const named = connection.toLowerCase().split(",");
  return new Set([...connectionHeaders, ...named.map((name) => name.trim())]);
}
