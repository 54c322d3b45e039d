/** Values that people and agents chose: a null there is a value, and not an empty column. */
const freeFormKeys: ReadonlySet<string> = new Set(["metadata", "data"]);

/** Converts a row for the wire: times in RFC 3339, and missing values omitted. */
export function toWireValue(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toWireValue);
  if (typeof value !== "object" || value === null) return value;
  const shownEntries = Object.entries(value).filter(([, field]) => field !== null && field !== undefined);
  return Object.fromEntries(
    shownEntries.map(([key, field]) => [key, freeFormKeys.has(key) ? field : toWireValue(field)]),
  );
}
