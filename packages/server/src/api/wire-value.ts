/** Values that people and agents chose: there a null is a value, and not a column without one. */
const freeFormKeys: ReadonlySet<string> = new Set(["metadata", "data"]);

/** A row as it goes over the wire: times in RFC 3339, and what is not there left out. */
export function toWireValue(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toWireValue);
  if (typeof value !== "object" || value === null) return value;
  const shownEntries = Object.entries(value).filter(([, field]) => field !== null && field !== undefined);
  return Object.fromEntries(
    shownEntries.map(([key, field]) => [key, freeFormKeys.has(key) ? field : toWireValue(field)]),
  );
}
