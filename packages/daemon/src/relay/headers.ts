const hopByHopHeaders = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

/** Returns raw headers (alternating names and values) without those of a single connection. */
export function getEndToEndHeaders(raw: readonly string[], drop: readonly string[] = []): string[] {
  const pairs = toPairs(raw);
  const named = pairs
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.toLowerCase().split(","));
  const excludedNames = new Set([...hopByHopHeaders, ...drop, ...named.map((name) => name.trim())]);
  return pairs.filter(([name]) => !excludedNames.has(name.toLowerCase())).flat();
}

function toPairs(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index] ?? "", raw[index + 1] ?? ""]);
  return pairs;
}
