import { getConnectionHeaders } from "@wharf/contract/wire";

/** Returns raw headers (alternating names and values) without those of a single connection. */
export function getEndToEndHeaders(raw: readonly string[], drop: readonly string[] = []): string[] {
  const pairs = toPairs(raw);
  const connection = pairs.filter(([name]) => name.toLowerCase() === "connection").map(([, value]) => value);
  const excludedNames = new Set([...getConnectionHeaders(connection.join(",")), ...drop]);
  return pairs.filter(([name]) => !excludedNames.has(name.toLowerCase())).flat();
}

function toPairs(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index] ?? "", raw[index + 1] ?? ""]);
  return pairs;
}
