/**
 * Makes data from other processes safe to store and show. PostgreSQL refuses NUL and halves of
 * surrogate pairs, parsers refuse endless nesting, and terminals obey control characters. All other
 * data stays unchanged.
 */

/** A database's parser refuses deeper nesting than this. */
const maxDepth = 64;

/** Replaces NUL and halves of surrogate pairs in a text. */
export const toStorableText = (text: string): string =>
  (text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text).toWellFormed();

/** Copies a JSON value with storable texts and cuts nesting that is too deep. */
export function toStorable<T>(value: T): T;
export function toStorable(value: unknown): unknown {
  return toStorableCopy(value, 0);
}

function toStorableCopy(value: unknown, depth: number): unknown {
  if (typeof value === "string") return toStorableText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= maxDepth) return "[nested too deeply]";
  if (Array.isArray(value)) return value.map((item) => toStorableCopy(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [toStorableText(key), toStorableCopy(item, depth + 1)]),
  );
}

/**
 * C0 and C1 controls, including ESC, and the characters that reverse or hide the text around them.
 */
const invisible = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Returns a single storable line of at most `maxBytes` bytes of UTF-8. */
export function toOneLine(text: string, maxBytes: number): string {
  // Every character takes at least one byte, so the slice cuts a huge text before any further work.
  const line = text.slice(0, maxBytes).toWellFormed().replace(invisible, " ").trim();
  const bytes = Buffer.from(line);
  if (bytes.length <= maxBytes && text.length <= maxBytes) return line;
  const room = Math.max(0, Math.min(bytes.length, maxBytes - 3));
  return `${bytes
    .subarray(0, room)
    .toString()
    .replace(/\uFFFD+$/, "")}…`;
}
