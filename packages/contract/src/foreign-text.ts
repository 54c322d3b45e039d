/**
 * What another process sent, made fit to be stored and shown. PostgreSQL refuses NUL and halves of surrogate pairs, and a
 * parser refuses endless nesting; a terminal obeys control characters. Nothing else is changed.
 */

/** Deeper nesting than this is more than a database's parser takes. */
const maxDepth = 64;

/** The same text, with NUL and halves of surrogate pairs replaced. */
export const toStorableText = (text: string): string =>
  (text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text).toWellFormed();

/** A copy of a JSON value with storable texts, cut where it is nested too deeply. */
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

/** C0 and C1 controls, ESC among them, and the characters that reverse or hide the text around them. */
const invisible = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** A single storable line of at most `maxBytes` bytes of UTF-8. */
export function toOneLine(text: string, maxBytes: number): string {
  // Every character takes a byte or more, so that a huge text is cut before it is looked at.
  const line = text.slice(0, maxBytes).toWellFormed().replace(invisible, " ").trim();
  const bytes = Buffer.from(line);
  if (bytes.length <= maxBytes && text.length <= maxBytes) return line;
  const room = Math.max(0, Math.min(bytes.length, maxBytes - 3));
  return `${bytes
    .subarray(0, room)
    .toString()
    .replace(/\uFFFD+$/, "")}…`;
}
