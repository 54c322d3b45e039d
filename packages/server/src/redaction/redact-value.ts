import type { SecretMatch, SecretMatcher } from "./secret-matcher.ts";

/** No value of Wharf's is as deep: what is deeper is either kept or removed as a whole. */
const maxDepth = 64;
const removed = "[redacted]";

/**
 * Redacts all texts in a JSON value, keys included, and what texts in base64 contain. A value
 * without a secret is returned itself.
 */
export function redactValue<T>(value: T, matcher: SecretMatcher, onMatch?: (match: SecretMatch) => void): T {
  const redactEach = (parts: readonly unknown[], depth: number): readonly unknown[] => {
    const redacted = parts.map((part) => redact(part, depth));
    return redacted.every((part, index) => part === parts[index]) ? parts : redacted;
  };
  const redact = (part: unknown, depth: number): unknown => {
    if (typeof part === "string") return redactString(part, matcher, onMatch);
    if (typeof part !== "object" || part === null) return part;
    if (depth > maxDepth) return matcher.find(Buffer.from(JSON.stringify(part))) ? removed : part;
    if (Array.isArray(part)) return redactEach(part, depth + 1);
    const [keys, values] = [Object.keys(part), Object.values(part)];
    const newKeys = redactEach(keys, depth + 1);
    const newValues = redactEach(values, depth + 1);
    if (newKeys === keys && newValues === values) return part;
    return Object.fromEntries(newKeys.map((key, index) => [String(key), newValues[index]]));
  };
  // Redaction changes texts only, so the value keeps its type.
  return redact(value, 0) as T;
}

/** Text in base64 remains base64, because its reader decodes it. */
function redactString(text: string, matcher: SecretMatcher, onMatch?: (match: SecretMatch) => void): string {
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    const content = Buffer.from(text, "base64");
    const { bytes } = matcher.redact(content, { isEnd: true, onMatch });
    if (bytes !== content) return bytes.toString("base64");
  }
  return matcher.redactText(text, onMatch);
}
