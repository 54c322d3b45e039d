import type { SecretMatch, SecretMatcher } from "./secret-matcher.ts";

/** Deeper values are replaced: no value of Wharf's is as deep. */
const maxDepth = 64;
const tooDeep = "[too deep]";

/**
 * Redacts all texts in a JSON value, keys included. A value without a secret, the common case,
 * costs one pass over its JSON and is returned itself.
 */
export function redactValue<T>(value: T, matcher: SecretMatcher, onMatch?: (match: SecretMatch) => void): T {
  if (!matcher.find(Buffer.from(JSON.stringify(value) ?? ""))) return value;
  const redact = (part: unknown, depth: number): unknown => {
    if (typeof part === "string") return matcher.redactText(part, onMatch);
    if (typeof part !== "object" || part === null) return part;
    if (depth > maxDepth) return tooDeep;
    if (Array.isArray(part)) return part.map((each) => redact(each, depth + 1));
    return Object.fromEntries(
      Object.entries(part).map(([key, each]) => [matcher.redactText(key, onMatch), redact(each, depth + 1)]),
    );
  };
  // Redaction changes texts only, so the value keeps its type.
  return redact(value, 0) as T;
}
