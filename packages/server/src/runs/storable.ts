/** Nesting beyond this is nobody's data and more than a database's parser takes. */
const maxDepth = 64;

/**
 * Makes what a sandbox sent fit for a jsonb column without changing anything else: PostgreSQL refuses NUL and halves of
 * surrogate pairs, and one refused record would hold up the whole journal behind it.
 */
export function storable<T>(value: T): T;
export function storable(value: unknown): unknown {
  return clean(value, 0);
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return cleanText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= maxDepth) return "[nested too deeply]";
  if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), clean(item, depth + 1)]));
}

const cleanText = (text: string) => (text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text).toWellFormed();
